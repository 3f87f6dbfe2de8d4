// The pages behind the links of an invitation and of a reset. Both say what becomes of stored credentials before anything is done.

import { ApiError } from '../base/api';
import { toast } from '../base/announce';
import { clear, h, icon } from '../base/dom';
import { type Field, field, showProblem } from '../base/forms';
import { untouched } from '../base/late';
import { t } from '../base/text';
import type { State } from '../base/types';
import { busy, certificateHelp, clockWarning, entryFrame, passwordField, retryAfter, waitOut } from '../start/entry';
import { byteLength } from '../start/strength';
import { box } from './box';
import type { TokenLink } from './link';
import { recoveryField } from './parts';

const NAME = /^[a-z0-9_.-]{1,32}$/;

export function showTokenPage(root: HTMLElement, state: State, link: TokenLink, done: () => void): void {
  // The token leaves the address bar and the history before anything else; this page remembers it until it is used.
  history.replaceState(null, '', location.pathname);
  if (link.kind === 'invite') showInvite(root, state, link.token, done);
  else showReset(root, state, link.token, done);
}

interface Page {
  title: string;
  lead: string;
  parts: HTMLElement[];
  action: string;
  danger?: () => boolean;
  ready: () => boolean;
  send: () => Promise<void>;
}

function show(root: HTMLElement, state: State, page: Page, done: () => void): void {
  const button = h('button', { type: 'submit', class: 'button primary wide' }, page.action) as HTMLButtonElement;
  const form = h('form', { class: 'entry-form', novalidate: true, method: 'post' }, ...page.parts, button) as HTMLFormElement;
  const paint = (): void => void ['primary', 'danger'].forEach((kind) => button.classList.toggle(kind, (kind === 'danger') === (page.danger?.() ?? false)));
  form.addEventListener('change', paint);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!button.disabled && page.ready()) void submit(form, button, page);
  });
  const away = h('button', { type: 'button', class: 'link-button', on: { click: done } }, t('people.token.away'));
  clear(root);
  root.append(entryFrame({ title: page.title, lead: page.lead, form, notes: [...(state.clock_ok ? [] : [clockWarning()]), h('p', { class: 'entry-other' }, away), certificateHelp()] }));
  form.querySelector('input')?.focus();
}

async function submit(form: HTMLElement, button: HTMLButtonElement, page: Page): Promise<void> {
  showProblem(form, null);
  const here = untouched();
  try {
    await busy(button, page.send);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showProblem(form, error.code === 'wrong_token' ? new ApiError(error.status, error.code, t('people.token.wrong'), t('people.token.wrong.remedy')) : error, !here());
    if (retryAfter(error) > 0) waitOut(button, retryAfter(error));
  }
}

function newPassword(state: State, name: () => string): Field {
  const min = state.limits.password_min;
  return passwordField({ label: t('start.account.new'), name: 'password', autocomplete: 'new-password', hint: t('start.claim.password.hint', { min }), judged: { name, min } });
}

function passwordReady(state: State, password: Field): boolean {
  const bytes = byteLength(password.value);
  const { password_min: min, password_max: max } = state.limits;
  password.setError(bytes < min ? t('start.strength.short', { min }) : bytes > max ? t('start.strength.long', { max }) : null);
  return bytes >= min && bytes <= max;
}

function firstWrong(fields: Field[]): boolean {
  const first = fields.find((one) => one.input.getAttribute('aria-invalid') === 'true');
  first?.input.focus();
  return first !== undefined;
}

function showInvite(root: HTMLElement, state: State, token: string, done: () => void): void {
  const name = field({ label: t('start.claim.name'), name: 'name', autocomplete: 'username', required: true, hint: t('start.claim.name.hint') });
  name.input.setAttribute('autocapitalize', 'none');
  name.input.setAttribute('spellcheck', 'false');
  const password = newPassword(state, () => name.value);
  const ready = (): boolean => {
    name.setError(NAME.test(name.value.trim().toLowerCase()) ? null : t('start.claim.name.bad'));
    passwordReady(state, password);
    return !firstWrong([name, password]);
  };
  const send = async (): Promise<void> => {
    await box.acceptInvite(token, name.value.trim(), password.value);
    done();
  };
  show(root, state, { title: t('people.invite.title'), lead: t('people.invite.lead', { host: location.host }), parts: [name.root, password.root, told('lock', 'people.invite.vault')], action: t('people.invite.submit'), ready, send }, done);
}

function told(name: 'lock' | 'warn', key: string): HTMLElement {
  return h('div', { class: name === 'warn' ? 'alert danger' : 'alert' }, icon(name), h('p', {}, t(key)));
}

function way(value: string, title: string, text: string, checked: boolean): HTMLElement {
  return h('label', { class: 'way' }, h('input', { type: 'radio', name: 'way', value, checked }), h('span', {}, h('strong', {}, title), h('span', { class: 'hint' }, text)));
}

function showReset(root: HTMLElement, state: State, token: string, done: () => void): void {
  const password = newPassword(state, () => '');
  const code = recoveryField();
  const sure = h('input', { type: 'checkbox', name: 'sure' }) as HTMLInputElement;
  const discard = h('div', { class: 'discard', hidden: true }, told('warn', 'people.reset.discard.warn'), h('label', { class: 'check' }, sure, h('span', {}, t('people.reset.discard.sure'))));
  const keep = way('keep', t('people.reset.keep'), t('people.reset.keep.text'), true);
  const ways = h('fieldset', { class: 'ways' }, h('legend', {}, t('people.reset.ways')), keep, way('discard', t('people.reset.discard'), t('people.reset.discard.text'), false));
  const keeping = (): boolean => keep.querySelector('input')?.checked === true;
  ways.addEventListener('change', () => {
    code.root.hidden = !keeping();
    discard.hidden = keeping();
  });
  const ready = (): boolean => {
    code.setError(keeping() && code.value.trim() === '' ? t('people.recovery.empty') : null);
    passwordReady(state, password);
    if (firstWrong(keeping() ? [password, code] : [password])) return false;
    if (!keeping() && !sure.checked) sure.focus();
    return keeping() || sure.checked;
  };
  const send = async (): Promise<void> => {
    await box.reset(token, password.value, keeping() ? { recovery_code: code.value } : { discard: true });
    done();
    toast(t(keeping() ? 'people.reset.kept' : 'people.reset.discarded'), 'ok');
  };
  show(root, state, { title: t('people.reset.title'), lead: t('people.reset.lead'), parts: [password.root, ways, code.root, discard], action: t('people.reset.submit'), danger: () => !keeping(), ready, send }, done);
}
