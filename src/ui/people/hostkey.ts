// A changed host key is believed, and a stored password sent to a new place, only by who proves anew that they sit here (B8).

import { t } from '../base/text';
import type { Place } from '../base/types';
import { placeText } from '../start/quick';
import { box } from './box';
import { withProof } from './parts';

/** False: thought better of it. */
export async function overrideHostKey(session: string, question: { id: number; host: string; fingerprint: string }): Promise<boolean> {
  const text = t('people.hostkey.text', { host: question.host, fingerprint: question.fingerprint });
  return (await withProof(t('people.hostkey.title'), text, t('term.key.replace'), true, (proof) => box.overrideHostKey(session, question.id, question.fingerprint, proof))) !== null;
}

/** Null: thought better of it. */
export async function allowPlace<T>(to: Place, deed: (proof: string) => Promise<T>): Promise<{ done: T } | null> {
  const place = placeText(to.address, to.port);
  return withProof(t('people.place.title', { place }), t('people.place.text', { place }), t('people.place.action'), false, deed);
}
