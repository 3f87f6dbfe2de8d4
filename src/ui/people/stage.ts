// Between password and terminal: the second step of a sign-in, and setting up a second factor where one is owed.

import { ApiError, api } from '../base/api';
import { becomeTrusted } from '../base/device';
import { clear, h, icon } from '../base/dom';
import { type Field, field, showProblem } from '../base/forms';
import { untouched } from '../base/late';
import { t } from '../base/text';
import type { State } from '../base/types';
import { busy, clockWarning, entryFrame, retryAfter, waitOut } from '../start/entry';
import { copyBox } from '../start/common';
import { type Enrolment, box } from './box';
import { deviceName } from './device';
import { allowed, hindrance, makePasskey, signInWithPasskey } from './passkey';
import { codeField, isCode, qrPicture, recoveryCodes, recoveryField, sentCode } from './parts';

/** Shows the step that a half sign-in owes; `done` when it is taken, or given up. */
export function showStage(root: HTMLElement, state: State, done: () => void): void {
  if (state.stage === 'factor') askFactor(root, state, done);
  else if (state.stage === 'device') askDevice(root, state, done);
  else void showEnrol(root, state, done);
}

interface Page {
  title: string;
  lead: string;
  field: Field;
  action: string;
  check: (text: string) => string | null;
  send: (text: string) => Promise<void>;
  above?: Node[];
  /** What a wrong code is called here. */
  wrong?: string;
  below: HTMLElement[];
}

function show(root: HTMLElement, state: State, done: () => void, page: Page): void {
  const button = h('button', { type: 'submit', class: 'button primary wide' }, page.action) as HTMLButtonElement;
  const form = h('form', { class: 'entry-form', novalidate: true, method: 'post' }, ...(page.above ?? []), page.field.root, button, ...page.below) as HTMLFormElement;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!button.disabled) void submit(form, button, page, done);
  });
  const out = h('button', { type: 'button', class: 'link-button', on: { click: () => void giveUp(done) } }, t('people.step.out', { name: state.user?.name ?? '' }));
  clear(root);
  root.append(entryFrame({ title: page.title, lead: page.lead, form, notes: [...(state.clock_ok ? [] : [clockWarning()]), h('p', { class: 'entry-other' }, out)] }));
  page.field.input.focus();
}

async function submit(form: HTMLElement, button: HTMLButtonElement, page: Page, done: () => void): Promise<void> {
  showProblem(form, null);
  const bad = page.check(page.field.value);
  page.field.setError(bad);
  if (bad !== null) return page.field.input.focus();
  const here = untouched();
  try {
    await busy(button, () => page.send(page.field.value));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 'not_signed_in') return done();
    if (error.code === 'wrong_code') page.field.setError(page.wrong ?? t('people.code.wrong'));
    else showProblem(form, error, !here());
    if (retryAfter(error) > 0) waitOut(button, retryAfter(error));
    else if (here()) page.field.input.select();
  }
}

async function giveUp(done: () => void): Promise<void> {
  await api.post('/api/logout', { terminals: 'keep' }).catch(() => undefined);
  done();
}

function other(label: string, run: () => void): HTMLElement {
  return h('button', { type: 'button', class: 'link-button', on: { click: run } }, label);
}

function codeProblem(text: string): string | null {
  return isCode(text) ? null : t('people.code.bad');
}

function askFactor(root: HTMLElement, state: State, done: () => void): void {
  if (state.factors?.includes('code') ?? true) askCode(root, state, done);
  else askPasskey(root, state, done);
}

/** Without an app: the button, and why it may not work. The browser wants a press of a button before it asks. */
function askPasskey(root: HTMLElement, state: State, done: () => void): void {
  const why = hindrance();
  const button = h('button', { type: 'submit', class: 'button primary wide', disabled: why !== null }, icon('key'), t('people.passkey.use')) as HTMLButtonElement;
  const form = h('form', { class: 'entry-form', method: 'post' }, why === null ? null : h('p', { class: 'alert warn', role: 'status' }, why), button, other(t('people.step.recovery'), () => askRecovery(root, state, done))) as HTMLFormElement;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!button.disabled) void takePasskey(form, button, signInWithPasskey, done);
  });
  const out = h('button', { type: 'button', class: 'link-button', on: { click: () => void giveUp(done) } }, t('people.step.out', { name: state.user?.name ?? '' }));
  clear(root);
  root.append(entryFrame({ title: t('people.step.title'), lead: t('people.passkey.lead'), form, notes: [h('p', { class: 'entry-other' }, out)] }));
  button.focus();
}

async function takePasskey(form: HTMLElement, button: HTMLButtonElement, run: () => Promise<void>, done: () => void): Promise<void> {
  showProblem(form, null);
  try {
    await busy(button, run);
    done();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 'not_signed_in') return done();
    showProblem(form, error);
    if (retryAfter(error) > 0) waitOut(button, retryAfter(error));
  }
}

/** Beside the field of a code. */
function passkeyButton(label: string, run: () => Promise<void>, done: () => void): HTMLElement {
  const button = h('button', { type: 'button', class: 'button wide' }, icon('key'), label) as HTMLButtonElement;
  button.addEventListener('click', () => void takePasskey(button.form ?? button, button, run, done));
  return button;
}

function askCode(root: HTMLElement, state: State, done: () => void): void {
  const code = codeField(t('people.code'));
  show(root, state, done, {
    title: t('people.step.title'), lead: t('people.step.lead'), field: code, action: t('people.step.submit'), check: codeProblem,
    send: async (text) => {
      sentCode(text);
      await box.verify(text);
      done();
    },
    below: [
      ...(state.factors?.includes('passkey') ? [passkeyButton(t('people.passkey.use'), signInWithPasskey, done)] : []),
      other(t('people.step.recovery'), () => askRecovery(root, state, done)),
    ],
  });
  // Six digits are a whole code: pasted or filled in by the phone, nothing is left to press.
  code.input.addEventListener('input', () => isCode(code.value) && code.input.form?.requestSubmit());
}

function askRecovery(root: HTMLElement, state: State, done: () => void): void {
  show(root, state, done, {
    title: t('people.recovery.title'), lead: t('people.recovery.lead'), field: recoveryField(), action: t('people.step.submit'),
    check: (text) => (text.trim() === '' ? t('people.recovery.empty') : null),
    send: async (text) => {
      await box.recover(text);
      done();
    },
    below: [other(t('people.recovery.back'), () => askFactor(root, state, done))],
  });
}

/** A browser that the account does not know: a trusted one lets it in. */
function askDevice(root: HTMLElement, state: State, done: () => void): void {
  const code = field({ label: t('people.device.code'), name: 'code', autocomplete: 'off', required: true, hint: t('people.device.code.hint') });
  code.input.classList.add('code-input');
  code.input.setAttribute('autocapitalize', 'characters');
  code.input.setAttribute('spellcheck', 'false');
  show(root, state, done, {
    title: t('people.device.step'), lead: t('people.device.step.lead'), wrong: t('people.device.code.wrong'), field: code, action: t('people.step.submit'),
    check: (text) => (text.trim() === '' ? t('people.device.code.empty') : null),
    send: async (text) => {
      await becomeTrusted(state.user?.name ?? '', deviceName(navigator.userAgent), (application) => box.trustDevice({ ...application, code: text }));
      done();
    },
    below: [],
  });
}

async function showEnrol(root: HTMLElement, state: State, done: () => void): Promise<void> {
  const enrolment = await box.begin();
  show(root, state, done, {
    title: t('people.enrol.title'), lead: t(state.stage === 'recovered' ? 'people.enrol.lead.recovered' : 'people.enrol.lead.required'),
    field: codeField(t('people.code'), t('people.enrol.code.hint')), action: t('people.enrol.submit'), check: codeProblem, above: [scan(enrolment)],
    send: async (text) => {
      sentCode(text);
      const { recovery_codes: codes } = await box.finish(text);
      showCodesPage(root, codes, state.user?.name ?? '', done);
    },
    below: [passkeyButton(t('people.passkey.instead'), addFirst, () => showCodesPage(root, codes, state.user?.name ?? '', done))],
  });
  let codes: string[] = [];

  async function addFirst(): Promise<void> {
    allowed();
    const made = await makePasskey(await box.wishPasskey());
    codes = (await box.addPasskey(deviceName(navigator.userAgent), made)).recovery_codes ?? [];
  }
}

/** What to scan, and the same as text for who cannot. */
export function scan(enrolment: Enrolment): HTMLElement {
  const spaced = enrolment.secret.match(/.{1,4}/g)?.join(' ') ?? enrolment.secret;
  return h(
    'div',
    { class: 'scan' },
    h('p', {}, t('people.enrol.scan')),
    qrPicture(enrolment.uri),
    h('details', { class: 'scan-text' }, h('summary', {}, icon('chevron'), t('people.enrol.text')), copyBox(t('people.enrol.secret'), spaced), h('p', { class: 'hint' }, t('people.enrol.secret.hint'))),
  );
}

function showCodesPage(root: HTMLElement, codes: string[], name: string, done: () => void): void {
  const kept = h('input', { type: 'checkbox', required: true }) as HTMLInputElement;
  const button = h('button', { type: 'submit', class: 'button primary wide' }, t('people.codes.go')) as HTMLButtonElement;
  const form = h('form', { class: 'entry-form', method: 'post' }, recoveryCodes(codes, name), h('label', { class: 'check' }, kept, h('span', {}, t('people.codes.kept'))), button);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    done();
  });
  clear(root);
  root.append(entryFrame({ title: t('people.codes.title'), lead: t('people.codes.page'), form, notes: [] }));
  root.querySelector<HTMLElement>('.recovery .button')?.focus();
}
