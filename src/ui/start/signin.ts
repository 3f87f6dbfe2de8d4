// The sign-in page.

import { ApiError, api } from '../base/api';
import { signInWord } from '../base/device';
import { clear, h, icon } from '../base/dom';
import { field, showProblem } from '../base/forms';
import { untouched } from '../base/late';
import { t } from '../base/text';
import type { State } from '../base/types';
import type { Done } from './claim';
import { busy, certificateHelp, clockWarning, entryFrame, passwordField, retryAfter, waitOut } from './entry';
import type { Field } from './entry';

/** Whose vault was locked from this page, and whether the box has said so. */
export interface Locked {
  name: string;
  sure: boolean;
}

export function showSignIn(root: HTMLElement, state: State, done: Done, locked: Locked | null = null): void {
  const name = field({ label: t('start.signin.name'), name: 'username', autocomplete: 'username', required: true });
  name.input.setAttribute('autocapitalize', 'none');
  name.input.setAttribute('spellcheck', 'false');
  const password = passwordField({ label: t('start.signin.password'), name: 'password', autocomplete: 'current-password' });
  const button = h('button', { type: 'submit', class: 'button primary wide' }, t('start.signin.submit')) as HTMLButtonElement;
  const form = h('form', { class: 'entry-form', novalidate: true, method: 'post' }, name.root, password.root, button) as HTMLFormElement;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!button.disabled) void submit(form, name, password, button, done);
  });
  clear(root);
  root.append(
    entryFrame({
      title: t('start.signin.title'),
      lead: t('start.signin.lead', { host: location.host }),
      form,
      notes: [...(state.clock_ok ? [] : [clockWarning()]), certificateHelp()],
    }),
  );
  if (locked) {
    name.input.value = locked.name;
    form.before(lockedWord(locked.sure ? 'start.locked' : 'start.locked.unsure', locked.sure));
  }
  (locked ? password : name).input.focus();
}

function lockedWord(key: string, sure: boolean): HTMLElement {
  return h('div', { class: sure ? 'alert' : 'alert warn', role: 'alert' }, icon(sure ? 'lock' : 'warn'), h('div', {}, h('strong', {}, t(key)), h('p', {}, t(`${key}.text`))));
}

async function submit(form: HTMLFormElement, name: Field, password: Field, button: HTMLButtonElement, done: Done): Promise<void> {
  showProblem(form, null);
  name.setError(name.input.value.trim() === '' ? t('start.signin.name.empty') : null);
  password.setError(password.input.value === '' ? t('start.signin.password.empty') : null);
  if (name.input.value.trim() === '') return name.input.focus();
  if (password.input.value === '') return password.input.focus();
  const here = untouched();
  try {
    const send = async (): Promise<void> => {
      const device = await signInWord(name.input.value.trim().toLowerCase());
      await api.post('/api/login', { name: name.input.value.trim(), password: password.input.value, ...(device ? { device } : {}) });
    };
    await busy(button, send);
    done();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showProblem(form, explained(error), !here());
    if (retryAfter(error) > 0) waitOut(button, retryAfter(error));
    else if (here()) password.input.select();
  }
}

/** In the page's language where the box speaks only English. Nobody is told which of name and password was wrong. */
function explained(error: ApiError): ApiError {
  const key = { sign_in_failed: 'start.signin.failed', certificate_needed: 'start.signin.certificate' }[error.code];
  return key === undefined ? error : new ApiError(error.status, error.code, t(key), t(`${key}.remedy`));
}
