// A box that nobody has claimed becomes the one of a backup: its claim code, the file and its passphrase. It starts anew for that, and shows
// the other box's certificate afterwards.

import { announce } from '../base/announce';
import { ApiError, api } from '../base/api';
import { clear, h } from '../base/dom';
import { field, showProblem } from '../base/forms';
import { keepInTab, recallInTab } from '../base/tab';
import { t } from '../base/text';
import type { State } from '../base/types';
import { busy, certificateHelp, clockWarning, codeField, entryFrame, passwordField, retryAfter, waitOut, whereIsTheCode } from './entry';
import type { Field } from './entry';

/** In Base64 and with what stands around it this fits into the 4 KiB that the box takes from strangers. */
const PIECE_BYTES = 2700;
const SPOKEN_PERCENT = 20;
const LOOK_MS = 1000;
/** The sign-in page of the restored box says it, after a reload too. */
const RESTORED = 'footbridge.restored';

interface RestoreForm {
  form: HTMLFormElement;
  code: Field;
  backup: Field;
  passphrase: Field;
  button: HTMLButtonElement;
  status: HTMLElement;
  meter: HTMLProgressElement;
}

/** `typed`: the code, as far as it was typed in the other form, to which `back` leads. */
export function showRestore(root: HTMLElement, state: State, typed: string, back: (typed: string) => void, done: () => void): void {
  const code = codeField(typed);
  const backup = field({ label: t('start.restore.file'), name: 'backup', type: 'file', autocomplete: 'off', required: true, hint: t('start.restore.file.hint') });
  const passphrase = passwordField({ label: t('start.restore.passphrase'), name: 'passphrase', autocomplete: 'off', hint: t('start.restore.passphrase.hint') });
  const button = h('button', { type: 'submit', class: 'button primary wide' }, t('start.restore.submit')) as HTMLButtonElement;
  const other = h('button', { type: 'button', class: 'button quiet wide' }, t('start.restore.back'));
  const status = h('p', { class: 'entry-status', role: 'status' });
  const meter = h('progress', { class: 'progress hidden', max: 1, value: 0, 'aria-label': t('start.restore.sending') }) as HTMLProgressElement;
  const form = h('form', { class: 'entry-form', novalidate: true, method: 'post' }, code.root, backup.root, passphrase.root, button, status, meter, other) as HTMLFormElement;
  const fields = { form, code, backup, passphrase, button, status, meter };
  other.addEventListener('click', () => back(code.value));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (button.disabled) return;
    other.toggleAttribute('disabled', true);
    void submit(fields, state, done).finally(() => other.toggleAttribute('disabled', false));
  });
  clear(root);
  const notes = [...(state.clock_ok ? [] : [clockWarning()]), whereIsTheCode(), certificateHelp()];
  root.append(entryFrame({ title: t('start.restore.title'), lead: t('start.restore.lead'), form, notes }));
  (typed === '' ? code : backup).input.focus();
}

/** Says what is plainly missing before anything is sent. */
function refuse({ code, backup, passphrase }: RestoreForm): boolean {
  code.setError(code.value.trim() === '' ? t('start.claim.code.empty') : null);
  backup.setError((backup.input.files?.[0]?.size ?? 0) === 0 ? t('start.restore.file.none') : null);
  passphrase.setError(passphrase.value === '' ? t('start.restore.passphrase.none') : null);
  const first = [code, backup, passphrase].find((one) => one.input.getAttribute('aria-invalid') === 'true');
  first?.input.focus();
  return first !== undefined;
}

async function submit(fields: RestoreForm, state: State, done: () => void): Promise<void> {
  showProblem(fields.form, null);
  if (refuse(fields)) return;
  const file = fields.backup.input.files![0]!;
  try {
    const users = await busy(fields.button, () => restore(fields, file));
    keepInTab(RESTORED, String(users));
    await comeBack(fields, state, done);
  } catch (error) {
    fields.meter.classList.add('hidden');
    fields.status.textContent = '';
    await failed(fields, error);
  }
}

async function restore({ code, passphrase, status, meter }: RestoreForm, file: File): Promise<number> {
  const say = (text: string): void => void (status.textContent = text);
  say(t('start.restore.sending'));
  meter.value = 0;
  meter.classList.remove('hidden');
  const claim = { code: code.value };
  const { upload } = await api.post<{ upload: string }>('/api/restore', { ...claim, bytes: file.size });
  let spoken = 0;
  for (let at = 0; at < file.size; at += PIECE_BYTES) {
    const piece = new Uint8Array(await file.slice(at, at + PIECE_BYTES).arrayBuffer());
    await api.put('/api/restore', { ...claim, upload, at, data: btoa(String.fromCharCode(...piece)) });
    meter.value = Math.min(1, (at + PIECE_BYTES) / file.size);
    if (meter.value * 100 < spoken + SPOKEN_PERCENT) continue;
    spoken = Math.floor(meter.value * 100);
    announce(t('start.restore.percent', { percent: spoken }));
  }
  say(t('start.restore.checking'));
  meter.removeAttribute('value');
  return (await api.post<{ users: number }>('/api/restore/finish', { ...claim, upload, passphrase: passphrase.value })).users;
}

/** What was typed stays, but for the passphrase. */
async function failed({ form, code, backup, passphrase, button }: RestoreForm, error: unknown): Promise<void> {
  passphrase.input.value = '';
  if (error instanceof DOMException) {
    backup.setError(t('start.restore.file.unreadable'));
    return backup.input.focus();
  }
  if (!(error instanceof ApiError)) throw error;
  if (error.status === 401) {
    code.setError(t('start.claim.code.wrong'));
    return code.input.focus();
  }
  showProblem(form, error.status === 404 ? await overtaken() : error);
  if (retryAfter(error) > 0) waitOut(button, retryAfter(error));
}

/** Somebody has claimed the box meanwhile, or sends a backup from another browser. */
async function overtaken(): Promise<ApiError> {
  const claimed = await api.get<State>('/api/state').then((state) => state.claimed, () => false);
  const key = claimed ? 'start.claim.gone' : 'start.restore.overtaken';
  return new ApiError(404, 'not_found', t(key), t(`${key}.remedy`));
}

/** A browser that does not know the other certificate asks nothing of the box any more: then a person must load the page anew. */
async function comeBack({ form }: RestoreForm, before: State, done: () => void): Promise<void> {
  const reload = h('button', { type: 'button', class: 'button primary wide' }, t('start.restore.reload'));
  reload.addEventListener('click', () => location.reload());
  const waiting = h('progress', { class: 'progress', 'aria-label': t('start.restore.anew') });
  form.replaceChildren(h('p', { class: 'entry-status', role: 'status' }, t('start.restore.anew')), waiting, h('p', { class: 'hint' }, t('start.restore.certificate')), reload);
  reload.focus();
  while (form.isConnected) {
    await new Promise((resolve) => window.setTimeout(resolve, LOOK_MS));
    const state = await api.get<State>('/api/state').catch(() => null);
    if (state && state.boot !== before.boot) return done();
  }
}

/** On the sign-in page after it: who has come back. Null: no box was restored here. */
export function restoredWord(): string | null {
  const users = recallInTab(RESTORED);
  return users === null ? null : t(users === '1' ? 'start.restore.done.one' : 'start.restore.done', { users });
}

export function forgetRestored(): void {
  keepInTab(RESTORED, null);
}
