// This browser as a trusted device (docs/API.md): a key in IndexedDB that signs and cannot be taken out, one for each user of the browser.

import { ApiError, api } from './api';
import { t } from './text';

interface Kept {
  /** The user's name: it is what is known before the sign-in. */
  user: string;
  id: string;
  key: CryptoKey;
}

/** A device's answer to a challenge of the box. */
interface Word {
  id: string;
  challenge: string;
  signature: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** The device that this sign-in was made with, as the box says; its user. */
let signedInWith: { id: string; user: string } | null = null;

export function signedInOn(id: string | null, user: string): void {
  signedInWith = id === null ? null : { id, user };
}

/** What a trusted device says beside a password; null where this browser is none for that user. */
export async function signInWord(user: string): Promise<Word | null> {
  const kept = await find(user);
  return kept ? word(kept, 'sign-in') : null;
}

/** What a trusted device says before the box dials a host; null where this sign-in was made with none, or the key is lost. */
export async function startWord(): Promise<Word | null> {
  if (!signedInWith) return null;
  const kept = await find(signedInWith.user);
  return kept?.id === signedInWith.id ? word(kept, 'start') : null;
}

async function word(kept: Kept, purpose: string): Promise<Word> {
  const challenge = await ask();
  return { id: kept.id, challenge, signature: await sign(kept.key, purpose, challenge) };
}

/** What a trusted device adds to the address of an upgrade. Null: this browser was one and has lost its key. */
export async function attachWord(ticket: string): Promise<string | null> {
  if (!signedInWith) return '';
  const kept = await find(signedInWith.user);
  return kept?.id === signedInWith.id ? `&device=${await sign(kept.key, 'attach', ticket)}` : null;
}

/** Makes a key, has it trusted by `send`, and keeps it. */
export async function becomeTrusted(user: string, label: string, send: (application: object) => Promise<{ id: string }>): Promise<void> {
  const pair = await crypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify']);
  const challenge = await ask();
  const application = { label, public_key: text(await crypto.subtle.exportKey('raw', pair.publicKey)), challenge, signature: await sign(pair.privateKey, 'trust', challenge) };
  const { id } = await send(application);
  try {
    await transaction('readwrite', (store) => store.put({ user, id, key: pair.privateKey } satisfies Kept));
  } catch {
    throw new ApiError(0, 'device', t('base.device.not-kept'), t('base.device.not-kept.remedy'));
  }
  signedInOn(id, user);
}

async function ask(): Promise<string> {
  return (await api.post<{ challenge: string }>('/api/device/challenge', {})).challenge;
}

async function sign(key: CryptoKey, purpose: string, challenge: string): Promise<string> {
  const bytes = new TextEncoder().encode(`footbridge device v1\n${purpose}\n${location.host}\n${challenge}`);
  return text(await crypto.subtle.sign(ALGORITHM, key, bytes));
}

function text(buffer: ArrayBuffer): string {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join('');
  return btoa(letters).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** A browser that keeps nothing is no trusted device, and signs in as any other. */
async function find(user: string): Promise<Kept | null> {
  try {
    return ((await transaction('readonly', (store) => store.get(user))) as Kept | undefined) ?? null;
  } catch {
    return null;
  }
}

function transaction(mode: IDBTransactionMode, run: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  return new Promise((done, fail) => {
    const opening = indexedDB.open('footbridge', 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('devices', { keyPath: 'user' });
    opening.onerror = () => fail(opening.error);
    opening.onsuccess = () => {
      const base = opening.result;
      const work = base.transaction('devices', mode);
      const request = run(work.objectStore('devices'));
      work.oncomplete = () => {
        base.close();
        done(request.result);
      };
      work.onerror = work.onabort = () => {
        base.close();
        fail(work.error);
      };
    };
  });
}
