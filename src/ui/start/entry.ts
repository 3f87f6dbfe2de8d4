// What the two pages before the terminal share: the frame, the certificate's help, and the wait after too many tries.

import type { ApiError } from '../base/api';
import { announce } from '../base/announce';
import { h, icon } from '../base/dom';
import { field } from '../base/forms';
import { t } from '../base/text';
import { tidyCode } from './code';
import { judge } from './strength';
import type { Strength } from './strength';

export interface Frame {
  title: string;
  lead: string;
  form: HTMLElement;
  notes: HTMLElement[];
}

export function entryFrame(frame: Frame): HTMLElement {
  return h(
    'main',
    { class: 'entry' },
    h(
      'div',
      { class: 'entry-card' },
      h('div', { class: 'entry-brand', 'aria-hidden': 'true' }, brandMark(), h('span', {}, 'Footbridge')),
      h('h1', {}, frame.title),
      h('p', { class: 'entry-lead' }, frame.lead),
      frame.form,
    ),
    h('div', { class: 'entry-notes' }, ...frame.notes),
  );
}

const SVG = 'http://www.w3.org/2000/svg';

/** A bridge: one arch, one deck, two piers. */
export function brandMark(): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '2 9 28 18');
  svg.setAttribute('class', 'brand-mark');
  for (const line of ['M3 14h26', 'M5 24c2-13 20-13 22 0', 'M10 14v3.4', 'M16 14v0.4', 'M22 14v3.4']) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', line);
    svg.append(path);
  }
  return svg;
}

export function clockWarning(): HTMLElement {
  return h(
    'div',
    { class: 'alert warn', role: 'status' },
    icon('warn'),
    h('div', {}, h('strong', {}, t('start.clock.title')), h('p', {}, t('start.clock.text'))),
  );
}

export function codeField(typed: string): Field {
  const code = field({ label: t('start.claim.code'), name: 'claim-code', value: typed, autocomplete: 'off', required: true, hint: t('start.claim.code.hint') });
  for (const [key, value] of [['autocapitalize', 'characters'], ['spellcheck', 'false'], ['inputmode', 'text']] as const) {
    code.input.setAttribute(key, value);
  }
  code.input.classList.add('code-input');
  code.input.addEventListener('blur', () => (code.input.value = tidyCode(code.input.value)));
  return code;
}

export function whereIsTheCode(): HTMLElement {
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

/** How to make the browser trust the box, folded away: who needs it looks for it. */
export function certificateHelp(): HTMLElement {
  return h(
    'details',
    { class: 'entry-help' },
    h('summary', {}, icon('lock'), t('start.ca.title'), icon('chevron')),
    h('p', {}, t('start.ca.why')),
    h('p', {}, h('a', { href: 'ca.pem', download: 'footbridge-ca.pem', class: 'button' }, icon('import'), t('start.ca.download'))),
    h(
      'dl',
      {},
      ...['windows', 'macos', 'linux', 'android', 'ios', 'firefox'].flatMap((system) => [
        h('dt', {}, t(`start.ca.${system}.name`)),
        h('dd', {}, t(`start.ca.${system}.how`)),
      ]),
    ),
  );
}

export type Field = ReturnType<typeof field>;

export interface PasswordOptions {
  label: string;
  name: string;
  autocomplete: 'current-password' | 'new-password' | 'off';
  hint?: string;
  /** Present for a new password: judged while it is typed. */
  judged?: { name: () => string; min: number };
}

/** A password field that can be looked at, with a meter when the password is new. */
export function passwordField(options: PasswordOptions): Field {
  const made = field({
    label: options.label,
    name: options.name,
    type: 'password',
    autocomplete: options.autocomplete,
    required: true,
    ...(options.hint === undefined ? {} : { hint: options.hint }),
  });
  const input = made.input as HTMLInputElement;
  input.setAttribute('autocapitalize', 'none');
  input.setAttribute('spellcheck', 'false');
  addReveal(input);
  if (options.judged) made.root.append(meter(input, options.judged));
  return made;
}

function addReveal(input: HTMLInputElement): void {
  const button = h('button', { type: 'button', class: 'reveal', 'aria-pressed': 'false' }, t('start.password.show'));
  const wrap = h('div', { class: 'reveal-wrap' });
  input.replaceWith(wrap);
  wrap.append(input, button);
  button.addEventListener('click', () => {
    const shown = input.type === 'password';
    input.type = shown ? 'text' : 'password';
    button.setAttribute('aria-pressed', String(shown));
    button.textContent = t(shown ? 'start.password.hide' : 'start.password.show');
  });
}

function meter(input: HTMLInputElement, judged: { name: () => string; min: number }): HTMLElement {
  const bars = h('div', { class: 'meter', 'aria-hidden': 'true' }, ...[1, 2, 3, 4].map(() => h('span')));
  const words = h('p', { class: 'meter-words', 'aria-live': 'polite' });
  const show = (): void => {
    const { strength, advice } = judge(input.value, judged.name(), judged.min);
    bars.dataset['strength'] = String(strength);
    words.textContent = input.value === '' ? '' : meterText(strength, advice, judged.min);
  };
  input.addEventListener('input', show);
  show();
  return h('div', { class: 'meter-box' }, bars, words);
}

function meterText(strength: Strength, advice: string, min: number): string {
  const level = t(`start.strength.level${strength}`);
  return advice === '' ? level : `${level}. ${t(advice, { min })}`;
}

/** Too many tries: the button counts down what the box asked for, then works again. */
export function waitOut(button: HTMLButtonElement, seconds: number): void {
  const label = button.textContent ?? '';
  const until = Date.now() + seconds * 1000;
  button.disabled = true;
  announce(t('start.wait.said', { seconds }), true);
  const tick = (): void => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left <= 0 || !button.isConnected) {
      clearInterval(timer);
      button.disabled = false;
      button.textContent = label;
      announce(t('start.wait.over'));
      return;
    }
    button.textContent = t('start.wait.button', { seconds: left });
  };
  const timer = setInterval(tick, 500);
  tick();
}

export function retryAfter(error: ApiError): number {
  return error.status === 429 ? (error.retryAfter ?? 60) : 0;
}

/** Disables the button and shows a spinner while `work` runs. */
export async function busy<T>(button: HTMLButtonElement, work: () => Promise<T>): Promise<T> {
  button.disabled = true;
  button.classList.add('busy');
  button.setAttribute('aria-busy', 'true');
  try {
    return await work();
  } finally {
    button.disabled = false;
    button.classList.remove('busy');
    button.removeAttribute('aria-busy');
  }
}
