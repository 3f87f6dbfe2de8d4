// A changed host key is believed only by who proves anew that they sit here (B8).

import { t } from '../base/text';
import { box } from './box';
import { withProof } from './parts';

/** False: thought better of it. */
export async function overrideHostKey(session: string, question: { id: number; host: string; fingerprint: string }): Promise<boolean> {
  const text = t('people.hostkey.text', { host: question.host, fingerprint: question.fingerprint });
  return (await withProof(t('people.hostkey.title'), text, t('term.key.replace'), true, (proof) => box.overrideHostKey(session, question.id, question.fingerprint, proof))) !== null;
}
