// The first minute of a box: its claim code makes the first administrator, once.

import { ApiError, api } from '../base/api';
import { clear, h } from '../base/dom';
import { field, showProblem } from '../base/forms';
import { t } from '../base/text';
import type { State, User } from '../base/types';
import { tidyCode } from './code';
import { busy, certificateHelp, clockWarning, entryFrame, passwordField, retryAfter, waitOut } from './entry';
import type { Field } from './entry';
import { byteLength } from './strength';

export type Done = (answer: { user: User; csrf: string }) => void;

const NAME = /^[a-z0-9_.-]{1,32}$/;

interface ClaimForm {
  code: Field;
  name: Field;
  password: Field;
}

export function showClaim(root: HTMLElement, state: State, done: Done): void {
  const fields = claimFields(state);
  const button = h('button', { type: 'submit', class: 'button primary wide' }, t('start.claim.submit')) as HTMLButtonElement;
  const form = h('form', { class: 'entry-form', novalidate: true, method: 'post' }, fields.code.root, fields.name.root, fields.password.root, button) as HTMLFormElement;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!button.disabled) void submit(form, fields, state, button, done);
  });
  clear(root);
  root.append(
    entryFrame({
      title: t('start.claim.title'),
      lead: t('start.claim.lead'),
      form,
      notes: [...(state.clock_ok ? [] : [clockWarning()]), whereIsTheCode(), certificateHelp()],
    }),
  );
  fields.code.input.focus();
}

function claimFields(state: State): ClaimForm {
  const code = field({ label: t('start.claim.code'), name: 'claim-code', autocomplete: 'off', required: true, hint: t('start.claim.code.hint') });
  for (const [key, value] of [['autocapitalize', 'characters'], ['spellcheck', 'false'], ['inputmode', 'text']] as const) {
    code.input.setAttribute(key, value);
  }
  code.input.classList.add('code-input');
  code.input.addEventListener('blur', () => (code.input.value = tidyCode(code.input.value)));
  const name = field({ label: t('start.claim.name'), name: 'username', autocomplete: 'username', required: true, hint: t('start.claim.name.hint') });
  name.input.setAttribute('autocapitalize', 'none');
  name.input.setAttribute('spellcheck', 'false');
  const min = state.limits.password_min;
  const password = passwordField({
    label: t('start.claim.password'),
    name: 'password',
    autocomplete: 'new-password',
    hint: t('start.claim.password.hint', { min }),
    judged: { name: () => name.input.value, min },
  });
  return { code, name, password };
}

/** Says what is plainly wrong before anything is sent; the box checks it all again. */
function refuse(fields: ClaimForm, state: State): boolean {
  const name = fields.name.input.value.trim().toLowerCase();
  const bytes = byteLength(fields.password.input.value);
  const { password_min: min, password_max: max } = state.limits;
  fields.code.setError(fields.code.input.value.trim() === '' ? t('start.claim.code.empty') : null);
  fields.name.setError(NAME.test(name) ? null : t('start.claim.name.bad'));
  fields.password.setError(bytes < min ? t('start.strength.short', { min }) : bytes > max ? t('start.strength.long', { max }) : null);
  const first = [fields.code, fields.name, fields.password].find((one) => one.input.getAttribute('aria-invalid') === 'true');
  first?.input.focus();
  return first !== undefined;
}

async function submit(form: HTMLFormElement, fields: ClaimForm, state: State, button: HTMLButtonElement, done: Done): Promise<void> {
  showProblem(form, null);
  if (refuse(fields, state)) return;
  try {
    const body = { code: fields.code.input.value, name: fields.name.input.value.trim(), password: fields.password.input.value };
    done(await busy(button, () => api.post<{ user: User; csrf: string }>('/api/claim', body)));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    failed(form, fields, button, error);
  }
}

function failed(form: HTMLFormElement, fields: ClaimForm, button: HTMLButtonElement, error: ApiError): void {
  if (error.status === 401) {
    fields.code.setError(t('start.claim.code.wrong'));
    fields.code.input.focus();
    return;
  }
  if (error.status === 404) return showProblem(form, new ApiError(404, 'not_found', t('start.claim.gone'), t('start.claim.gone.remedy')));
  showProblem(form, error);
  if (retryAfter(error) > 0) waitOut(button, retryAfter(error));
}

function whereIsTheCode(): HTMLElement {
  return h(
    'div',
    { class: 'entry-where' },
    h('h2', {}, t('start.claim.where.title')),
    h('p', {}, t('start.claim.where.text')),
    h(
      'pre',
      { class: 'console', 'aria-label': t('start.claim.where.example') },
      'listening https://footbridge.local:8443\n',
      h('span', { class: 'quiet' }, 'certificate sha256:9f86d081…'),
      '\n',
      h('mark', {}, 'claim-code K7QF-3MZT-…'),
    ),
    h('p', {}, t('start.claim.where.lost'), ' ', h('code', {}, 'footbridge setup')),
    h('p', {}, t('start.claim.where.fingerprint')),
  );
}
