// Small parts that the pages and dialogs about people share.

import { ApiError } from '../base/api';
import { toast } from '../base/announce';
import { openDialog } from '../base/dialog';
import { h, icon } from '../base/dom';
import { type Field, field } from '../base/forms';
import { t } from '../base/text';
import { copyText } from '../start/common';
import { passwordField } from '../start/entry';
import { sent } from '../start/keys';
import { type Factor, box } from './box';
import { passkeyProof } from './passkey';
import { qrCode } from './qr';

const SVG = 'http://www.w3.org/2000/svg';
/** Light cells around the code, without which cameras do not find it. */
const QUIET = 4;

export function codeField(label: string, hint?: string): Field {
  const made = field({ label, name: 'code', autocomplete: 'one-time-code', required: true, ...(hint === undefined ? {} : { hint }) });
  for (const [key, value] of [['inputmode', 'numeric'], ['maxlength', '9'], ['autocapitalize', 'none'], ['spellcheck', 'false']] as const) made.input.setAttribute(key, value);
  made.input.classList.add('one-time-code');
  return made;
}

/** A code, or a button that does as well for who has passkeys; with passkeys alone, the button. The code of a passkey is long. */
export function proofField(factor: Factor): Field {
  const code = codeField(t('people.code'));
  if (factor.passkeys === 0) return code;
  let stood = '';
  const error = h('p', { class: 'field-error', role: 'alert' });
  const take = async (): Promise<void> => {
    error.textContent = '';
    try {
      stood = await passkeyProof();
      use.closest('dialog')?.querySelector<HTMLElement>('.dialog-actions .button:last-child')?.click();
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      error.textContent = `${problem.message} ${problem.remedy}`;
    }
  };
  const use = h('button', { type: 'button', class: 'button', on: { click: onePress(take) } }, icon('key'), t('people.passkey.use'));
  code.input.addEventListener('input', () => (stood = ''));
  return {
    root: h('div', { class: 'proof', 'data-field': factor.app ? null : 'code' }, factor.app ? code.root : null, use, error),
    input: factor.app ? code.input : (use as HTMLInputElement),
    setError: (text) => (factor.app ? code.setError(text) : void (error.textContent = text ?? '')),
    get value() {
      return stood === '' ? code.value : stood;
    },
  };
}

/** The proof of who has no second factor. */
export function ownPassword(): Field {
  return passwordField({ label: t('people.proof.password'), name: 'proof', autocomplete: 'current-password' });
}

export function recoveryField(): Field {
  const made = field({ label: t('people.recovery.label'), name: 'recovery_code', autocomplete: 'off', required: true, hint: t('people.recovery.hint') });
  made.input.classList.add('code-input');
  made.input.setAttribute('autocapitalize', 'characters');
  made.input.setAttribute('spellcheck', 'false');
  return made;
}

export function isCode(text: string): boolean {
  return /^\d{6}$|^[\w-]{43}$/.test(digits(text));
}

/** Dark on white in every theme: some cameras do not read it the other way round. */
export function qrPicture(text: string): Element {
  const cells = qrCode(text);
  if (!cells) return h('p', { class: 'hint' }, t('people.enrol.noqr'));
  const size = cells.length + QUIET * 2;
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
  svg.setAttribute('class', 'qr');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', t('people.enrol.qr'));
  path.setAttribute('d', cells.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : ''))).join(''));
  svg.append(path);
  return svg;
}

export function saveFile(name: string, text: string, kind: string): void {
  saveBlob(name, new Blob([text], { type: kind }));
}

export function saveBlob(name: string, contents: Blob): void {
  const address = URL.createObjectURL(contents);
  h('a', { href: address, download: name }).click();
  window.setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** The codes, shown once: to print, to keep as a file, to copy. */
export function recoveryCodes(codes: string[], name: string): HTMLElement {
  const text = [t('people.codes.file', { name, host: location.host }), '', ...codes, ''].join('\n');
  const button = (label: string, name_: 'import' | 'copy' | 'print', run: () => void): HTMLElement => h('button', { type: 'button', class: 'button', on: { click: run } }, icon(name_), label);
  return h(
    'div',
    { class: 'recovery' },
    h('p', {}, t('people.codes.lead')),
    h('div', { class: 'recovery-sheet' }, h('p', { class: 'print-only' }, t('people.codes.file', { name, host: location.host })), h('ol', { class: 'recovery-codes' }, ...codes.map((code) => h('li', {}, h('code', {}, code))))),
    h(
      'div',
      { class: 'toolbar' },
      button(t('people.codes.download'), 'import', () => saveFile('footbridge-recovery-codes.txt', text, 'text/plain')),
      button(t('people.codes.print'), 'print', () => window.print()),
      button(t('start.copy'), 'copy', () => void copyText(text)),
    ),
    h('p', { class: 'hint' }, t('people.codes.once')),
  );
}

export async function showCodes(codes: string[], name: string): Promise<void> {
  const kept = h('input', { type: 'checkbox' }) as HTMLInputElement;
  const body = h('form', { class: 'form' }, recoveryCodes(codes, name), h('label', { class: 'check' }, kept, h('span', {}, t('people.codes.kept'))));
  const done = (): boolean => {
    if (!kept.checked) kept.focus();
    return kept.checked;
  };
  await openDialog({ title: t('people.codes.title'), body, actions: [{ label: t('start.done'), kind: 'primary', value: 'done', submit: done }] });
}

/** The code that was sent last, from wherever. Each is good once: sent again it would count as a wrong try. */
let lastSent = '';

/** It is on its way to the box, which may have taken it whatever comes of the rest. */
export function sentCode(code: string): void {
  lastSent = digits(code);
}

function digits(code: string): string {
  return code.replaceAll(/\s/g, '');
}

/** Why this cannot be sent, or null. `bad`: what is said where there is none. */
function codeRefusal(code: string, bad: string): string | null {
  if (!isCode(code)) return bad;
  if (digits(code) !== lastSent) return null;
  return t(/^\d{6}$/.test(lastSent) ? 'people.code.sent' : 'people.passkey.sent');
}

/** A deed, and what is asked for before it. */
interface Question<T> {
  title: string;
  lead: string | HTMLElement;
  action: string;
  danger: boolean;
  /** A code, or a password, which may be sent again. */
  proof: Field;
  isCode: boolean;
  /** What is said where there is no code yet: its owner may have nothing but passkeys. */
  bad?: string;
  /** What is said of a proof that does not fit. */
  wrong: string;
  more?: HTMLElement | null;
  deed: (proof: string) => Promise<T>;
}

async function put<T>(question: Question<T>): Promise<{ done: T } | null> {
  const { proof, lead } = question;
  const plain = typeof lead === 'string';
  const form = h('form', { class: 'form' }, plain ? h('p', { class: 'dialog-lead' }, lead) : lead, question.more ?? null, proof.root);
  let done: { done: T } | null = null;
  const submit = (): boolean | Promise<boolean> => {
    const given = proof.value;
    const empty = given.trim() === '' ? t('start.signin.password.empty') : null;
    const refusal = question.isCode ? codeRefusal(given, question.bad ?? t('people.code.bad')) : empty;
    proof.setError(refusal);
    if (refusal !== null) {
      proof.input.focus();
      return false;
    }
    if (question.isCode) sentCode(given);
    return sent(form, async () => {
      try {
        done = { done: await question.deed(given) };
      } catch (error) {
        if (error instanceof ApiError && ['wrong_code', 'proof_needed'].includes(error.code)) throw new ApiError(error.status, error.code, question.wrong, '', question.isCode ? 'code' : 'proof');
        throw error;
      }
    });
  };
  const shown = openDialog({ title: question.title, body: form, wide: !plain, actions: [{ label: t('start.cancel') }, { label: question.action, kind: question.danger ? 'danger' : 'primary', value: 'done', submit }] });
  (question.more?.querySelector('input') ?? proof.input).focus();
  await shown;
  return done;
}

const asking = new Set<string>();

/** What is asked already is not asked a second time, by a second click or from another place: that answers null. */
async function once<T>(what: string, ask: () => Promise<T | null>): Promise<T | null> {
  if (asking.has(what)) return null;
  asking.add(what);
  try {
    return await ask();
  } finally {
    asking.delete(what);
  }
}

/** Asks who sits here for a fresh code, or for the password where there is no second factor, and does the deed with it. Null: thought better of it. */
export function withProof<T>(title: string, text: string, action: string, danger: boolean, deed: (proof: string, enrolled: boolean) => Promise<T>, more: HTMLElement | null = null): Promise<{ done: T } | null> {
  return once(`${title}\n${text}`, async () => {
    const factor = await box.factor();
    const { enrolled } = factor;
    const bad = t(factor.app ? 'people.code.bad' : 'people.passkey.first');
    return put({ title, lead: text, action, danger, more, proof: enrolled ? proofField(factor) : ownPassword(), isCode: enrolled, bad, wrong: t('people.proof.wrong'), deed: (proof) => deed(proof, enrolled) });
  });
}

/** Asks for the first code of a new app. Null: thought better of it. */
export function withFirstCode<T>(title: string, lead: HTMLElement, action: string, deed: (code: string) => Promise<T>): Promise<{ done: T } | null> {
  return once(title, () => put({ title, lead, action, danger: false, proof: codeField(t('people.code')), isCode: true, wrong: t('people.code.wrong'), deed }));
}

/** For a button: while what it began goes on, pressing it again does nothing. */
export function onePress(run: () => Promise<unknown>): () => void {
  let running = false;
  return () => {
    if (running) return;
    running = true;
    void run().finally(() => (running = false));
  };
}

export function timeText(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'short' });
}

/** A word of the box that this page may not know is shown as it is. */
export function wordText(prefix: string, word: string): string {
  const key = `${prefix}.${word}`;
  const text = t(key);
  return text === key ? word : text;
}

export function said(text: string): void {
  toast(text, 'ok');
}
