// For administrators: the whole box as one file, sealed under a passphrase.

import { openDialog } from '../base/dialog';
import { h } from '../base/dom';
import { t } from '../base/text';
import { passwordField } from '../start/entry';
import { byteLength } from '../start/strength';
import { box } from './box';
import { said, saveBlob, withProof } from './parts';

/** What the box asks of a passphrase, so that no code is spent on one that will not do. */
const PASSPHRASE_MIN = 12;

export async function openBackup(): Promise<void> {
  const passphrase = passwordField({ label: t('people.backup.passphrase'), name: 'passphrase', autocomplete: 'new-password', hint: t('people.backup.hint'), judged: { name: () => '', min: PASSPHRASE_MIN } });
  const form = h('form', { class: 'form' }, h('p', { class: 'dialog-lead' }, t('people.backup.lead')), passphrase.root);
  const check = (): boolean => {
    const short = byteLength(passphrase.value) < PASSPHRASE_MIN;
    passphrase.setError(short ? t('start.strength.short', { min: PASSPHRASE_MIN }) : null);
    return !short;
  };
  const shown = openDialog({ title: t('people.backup.title'), body: form, actions: [{ label: t('start.cancel') }, { label: t('people.backup.submit'), kind: 'primary', value: 'done', submit: check }] });
  passphrase.input.focus();
  if ((await shown) !== 'done') return;
  const made = await withProof(t('people.backup.title'), t('people.backup.proof'), t('people.backup.submit'), false, (proof) => box.backup(passphrase.value, proof));
  if (!made) return;
  saveBlob('footbridge.backup', made.done);
  said(t('people.backup.done'));
}
