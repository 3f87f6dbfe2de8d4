// Change of the signed-in user's own password.

import { ApiError, api } from '../base/api';
import { toast } from '../base/announce';
import { openDialog } from '../base/dialog';
import { h } from '../base/dom';
import { showProblem } from '../base/forms';
import { untouched } from '../base/late';
import { t } from '../base/text';
import type { State } from '../base/types';
import { passwordField } from './entry';
import type { Field } from './entry';
import { byteLength } from './strength';

export async function openAccount(state: State, name: string): Promise<void> {
  const { password_min: min, password_max: max } = state.limits;
  const current = passwordField({ label: t('start.account.current'), name: 'current', autocomplete: 'current-password' });
  const fresh = passwordField({ label: t('start.account.new'), name: 'new', autocomplete: 'new-password', hint: t('start.claim.password.hint', { min }), judged: { name: () => name, min } });
  // Hidden from people, read by password managers: whose password this is.
  const user = h('input', { class: 'hidden', type: 'text', name: 'username', autocomplete: 'username', value: name, readonly: true, tabindex: '-1', 'aria-hidden': 'true' });
  const form = h('form', { class: 'form' }, h('p', { class: 'dialog-lead' }, t('start.account.lead', { name })), user, current.root, fresh.root);
  const save = (): boolean | Promise<boolean> => {
    const bytes = byteLength(fresh.input.value);
    current.setError(current.input.value === '' ? t('start.signin.password.empty') : null);
    fresh.setError(bytes < min ? t('start.strength.short', { min }) : bytes > max ? t('start.strength.long', { max }) : null);
    if (current.input.value === '') current.input.focus();
    else if (bytes < min || bytes > max) fresh.input.focus();
    else return send(form, current, fresh);
    return false;
  };
  const shown = openDialog({ title: t('start.account.title'), body: form, actions: [{ label: t('start.cancel') }, { label: t('start.account.submit'), kind: 'primary', value: 'saved', submit: save }] });
  current.input.focus();
  if ((await shown) === 'saved') toast(t('start.account.changed'), 'ok');
}

async function send(form: HTMLElement, current: Field, fresh: Field): Promise<boolean> {
  showProblem(form, null);
  const here = untouched();
  try {
    await api.post('/api/password', { current: current.input.value, new: fresh.input.value });
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 'sign_in_failed') {
      current.setError(t('start.account.wrong'));
      if (here()) current.input.focus();
    } else {
      showProblem(form, error, !here());
    }
    return false;
  }
}
