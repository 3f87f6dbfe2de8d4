// The first minute of a box: its claim code makes the first administrator, once; or brings another box back from its backup.

import { ApiError, api } from '../base/api';
import { clear, h } from '../base/dom';
import { field, showProblem } from '../base/forms';
import { untouched } from '../base/late';
import { t } from '../base/text';
import type { State } from '../base/types';
import { busy, certificateHelp, clockWarning, codeField, entryFrame, passwordField, retryAfter, waitOut, whereIsTheCode } from './entry';
import type { Field } from './entry';
import { showRestore } from './restore';
import { byteLength } from './strength';

export type Done = () => void;

const NAME = /^[a-z0-9_.-]{1,32}$/;

interface ClaimForm {
  code: Field;
  name: Field;
  password: Field;
}

/** `typed`: the code, if somebody comes back from the other form. */
export function showClaim(root: HTMLElement, state: State, done: Done, typed = ''): void {
  const fields = claimFields(state, typed);
  const button = h('button', { type: 'submit', class: 'button primary wide' }, t('start.claim.submit')) as HTMLButtonElement;
  const other = h('button', { type: 'button', class: 'button quiet wide' }, t('start.restore.open'));
  other.addEventListener('click', () => showRestore(root, state, fields.code.input.value, (typed) => showClaim(root, state, done, typed), done));
  const form = h('form', { class: 'entry-form', novalidate: true, method: 'post' }, fields.code.root, fields.name.root, fields.password.root, button, other) as HTMLFormElement;
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

function claimFields(state: State, typed: string): ClaimForm {
  const code = codeField(typed);
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
  const here = untouched();
  try {
    const body = { code: fields.code.input.value, name: fields.name.input.value.trim(), password: fields.password.input.value };
    await busy(button, () => api.post('/api/claim', body));
    done();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    failed(form, fields, button, error, !here());
  }
}

function failed(form: HTMLFormElement, fields: ClaimForm, button: HTMLButtonElement, error: ApiError, elsewhere: boolean): void {
  if (error.status === 401) {
    fields.code.setError(t('start.claim.code.wrong'));
    if (!elsewhere) fields.code.input.focus();
    return;
  }
  if (error.status === 404) return showProblem(form, new ApiError(404, 'not_found', t('start.claim.gone'), t('start.claim.gone.remedy')));
  showProblem(form, error, elsewhere);
  if (retryAfter(error) > 0) waitOut(button, retryAfter(error));
}
