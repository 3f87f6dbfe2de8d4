// Questions of a session, asked inside its own pane: is this the right host, and what is the password?

import { h, icon } from '../base/dom';
import { field } from '../base/forms';
import { t } from '../base/text';
import type { HostKeyQuestion, PromptsQuestion } from './link';

/** The fingerprint, before anything is sent. It begins where an Enter that was meant for something else accepts nothing: for a changed key at
 * the safe answer, for a new one at the fingerprint, which is there to be read. */
export function hostKeyPanel(question: HostKeyQuestion, answer: (accept: boolean) => void): HTMLElement {
  const changed = question.status === 'changed';
  const where = question.port === 22 ? question.host : `${question.host}:${question.port}`;
  const no = h('button', { type: 'button', class: 'button', on: { click: () => answer(false) } }, t('term.key.no'));
  const yes = h('button', { type: 'button', class: changed ? 'button danger' : 'button primary', on: { click: () => answer(true) } }, t(changed ? 'term.key.replace' : 'term.key.yes'));
  const shown = fingerprint(t('term.key.shown'), question.algorithm, question.fingerprint);
  const panel = h(
    'section',
    { class: changed ? 'question danger' : 'question', role: 'alertdialog', 'aria-label': t(changed ? 'term.key.changed' : 'term.key.unknown'), tabindex: '-1' },
    h('h2', {}, icon(changed ? 'warn' : 'lock'), t(changed ? 'term.key.changed' : 'term.key.unknown')),
    h('p', {}, t(changed ? 'term.key.changed.text' : 'term.key.unknown.text', { host: where })),
    shown,
    ...question.known.map((key) => fingerprint(t('term.key.known'), key.algorithm ?? '', key.fingerprint)),
    h('p', { class: 'hint' }, t('term.key.how', { file: keyFile(question.algorithm) })),
    h('div', { class: 'question-actions' }, no, yes),
  );
  const first = changed ? no : shown;
  first.classList.add('first');
  focusLater(first);
  return panel;
}

/** On the way of the Tab key, before the answers. */
function fingerprint(label: string, algorithm: string, hash: string): HTMLElement {
  const what = `${label} ${algorithm}`.trim();
  return h('div', { class: 'fingerprint', role: 'group', 'aria-label': `${what} ${hash}`, tabindex: '0' }, h('span', { class: 'hint' }, what), h('code', {}, hash));
}

function keyFile(algorithm: string): string {
  const kind = algorithm.includes('ed25519') ? 'ed25519' : algorithm.startsWith('ecdsa') ? 'ecdsa' : 'rsa';
  return `/etc/ssh/ssh_host_${kind}_key.pub`;
}

/** Passwords and keyboard-interactive. The words are the host's: text, never markup. */
export function promptsPanel(question: PromptsQuestion, title: string, answer: (responses: string[] | null) => void): HTMLElement {
  const fields = question.prompts.map((prompt, at) =>
    field({ label: prompt.text.trim() || t('term.prompt.answer'), name: `answer-${at}`, type: prompt.echo ? 'text' : 'password', autocomplete: prompt.echo ? 'off' : 'current-password' }),
  );
  const form = h(
    'form',
    { class: 'question', 'aria-label': t('term.prompt.title', { host: title }) },
    h('h2', {}, icon('key'), question.name || t('term.prompt.title', { host: title })),
    question.instruction.trim() === '' ? null : h('p', { class: 'instruction' }, question.instruction),
    question.attempt > 1 ? h('p', { class: 'field-error', role: 'alert' }, t('term.prompt.again', { attempt: question.attempt })) : null,
    ...fields.map((one) => one.root),
    h('div', { class: 'question-actions' }, h('button', { type: 'button', class: 'button', on: { click: () => answer(null) } }, t('base.cancel')), h('button', { type: 'submit', class: 'button primary' }, t('term.prompt.send'))),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    answer(fields.map((one) => one.value));
  });
  for (const one of fields) {
    one.input.setAttribute('autocapitalize', 'none');
    one.input.spellcheck = false;
  }
  // A session may ask nothing at all (RFC 4256, 3.2: no prompts): the answer is as empty.
  if (fields.length === 0) window.setTimeout(() => answer([]), 0);
  focusLater(fields[0]?.input ?? null);
  return form;
}

function focusLater(element: HTMLElement | null): void {
  window.setTimeout(() => element?.isConnected && element.closest('.pane.active') !== null && element.focus(), 0);
}
