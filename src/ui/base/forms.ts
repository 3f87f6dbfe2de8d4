// Fields with label, hint and error, and where an answer of the box is shown.

import type { ApiError } from './api';
import { h, icon } from './dom';

export interface FieldOptions {
  label: string;
  name: string;
  type?: string;
  value?: string;
  hint?: string;
  autocomplete?: string;
  required?: boolean;
}

export interface Field {
  root: HTMLElement;
  input: HTMLInputElement;
  setError(text: string | null): void;
  readonly value: string;
}

let made = 0;

export function field(options: FieldOptions): Field {
  const id = `field-${++made}`;
  const hint = options.hint === undefined ? null : h('p', { class: 'hint', id: `${id}-hint` }, options.hint);
  const error = h('p', { class: 'field-error', id: `${id}-error` });
  const input = h('input', {
    id, name: options.name, type: options.type ?? 'text', autocomplete: options.autocomplete, required: options.required ?? false,
    'aria-describedby': hint ? `${id}-error ${id}-hint` : `${id}-error`,
  }) as HTMLInputElement;
  input.value = options.value ?? '';
  return {
    root: h('div', { class: 'field', 'data-field': options.name }, h('label', { for: id }, options.label), input, error, hint),
    input,
    setError: (text) => mark(input, error, text),
    get value() {
      return input.value;
    },
  };
}

function mark(input: HTMLElement, error: HTMLElement, text: string | null): void {
  error.textContent = text ?? '';
  if (text === null) input.removeAttribute('aria-invalid');
  else input.setAttribute('aria-invalid', 'true');
}

/** Puts the box's refusal at the field that it names, or else in a box above all of them. Null takes everything away. The field gets the
 * focus unless whoever sent the form is `elsewhere` by now. */
export function showProblem(form: HTMLElement, problem: ApiError | null, elsewhere = false): void {
  for (const old of form.querySelectorAll(':scope > .problem')) old.remove();
  for (const root of form.querySelectorAll<HTMLElement>('[data-field]')) markRoot(root, null);
  if (!problem) return;
  const root = problem.field ? form.querySelector<HTMLElement>(`[data-field="${CSS.escape(problem.field)}"]`) : null;
  const text = [problem.message, problem.remedy].filter((part) => part !== '');
  if (root) {
    root.closest('details')?.setAttribute('open', '');
    const input = markRoot(root, text.join(' '));
    if (!elsewhere) input?.focus();
    return;
  }
  form.prepend(h('div', { class: 'alert danger problem', role: 'alert' }, icon('warn'), h('div', {}, h('strong', {}, text[0] ?? ''), text[1] ? h('p', {}, text[1]) : null)));
}

function markRoot(root: HTMLElement, text: string | null): HTMLElement | null {
  const input = root.querySelector<HTMLElement>('input, select, textarea');
  const error = root.querySelector<HTMLElement>('.field-error');
  if (input && error) mark(input, error, text);
  return input;
}
