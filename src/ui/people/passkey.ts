// Passkeys: what the browser's own authenticators are asked, and why they sometimes cannot be. Bytes go as base64url, both ways.

import { ApiError } from '../base/api';
import { t } from '../base/text';
import { type Offer, type PasskeyAnswer, type PasskeyMade, type PasskeyWish, box } from './box';

/** Null: nothing is known to be in the way. A certificate that is not trusted shows only when the browser is asked. */
export function hindrance(): string | null {
  if (/^[\d.]+$|^\[/.test(location.hostname)) return t('people.passkey.no.address');
  if (!window.isSecureContext) return t('people.passkey.no.certificate');
  if (!('PublicKeyCredential' in window)) return t('people.passkey.no.browser');
  return null;
}

export async function makePasskey(wish: PasskeyWish): Promise<PasskeyMade> {
  const made = await asked(() =>
    navigator.credentials.create({
      publicKey: {
        rp: { id: wish.rp_id, name: 'Footbridge' },
        user: { id: bytes(wish.user_handle), name: wish.name, displayName: wish.name },
        challenge: bytes(wish.challenge),
        pubKeyCredParams: wish.algorithms.map((alg) => ({ type: 'public-key', alg })),
        excludeCredentials: wish.exclude.map((id) => ({ type: 'public-key', id: bytes(id) })),
        authenticatorSelection: { residentKey: 'discouraged', userVerification: 'discouraged' },
        attestation: 'none',
      },
    }),
  );
  const response = made.response as AuthenticatorAttestationResponse;
  return { client_data: text(response.clientDataJSON), attestation: text(response.attestationObject) };
}

async function answer(offer: Offer): Promise<PasskeyAnswer> {
  const said = await asked(() =>
    navigator.credentials.get({
      publicKey: {
        rpId: offer.rp_id,
        challenge: bytes(offer.challenge),
        allowCredentials: offer.credentials.map((id) => ({ type: 'public-key', id: bytes(id) })),
        userVerification: 'discouraged',
      },
    }),
  );
  const response = said.response as AuthenticatorAssertionResponse;
  return { credential: text(said.rawId), client_data: text(response.clientDataJSON), authenticator_data: text(response.authenticatorData), signature: text(response.signature) };
}

/** The second half of a sign-in. */
export async function signInWithPasskey(): Promise<void> {
  allowed();
  await box.verifyPasskey(await answer(await box.offerPasskeys()));
}

/** Something that does as a one-time code, once. */
export async function passkeyProof(): Promise<string> {
  allowed();
  return box.provePasskey(await answer(await box.offerPasskeys()));
}

/** Says why before anything is asked of the box. */
export function allowed(): void {
  const why = hindrance();
  if (why !== null) throw new ApiError(0, 'passkey', t('people.passkey.failed'), why);
}

async function asked(run: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  try {
    const credential = await run();
    if (credential instanceof PublicKeyCredential) return credential;
  } catch (error) {
    throw new ApiError(0, 'passkey', t('people.passkey.failed'), reason(error));
  }
  throw new ApiError(0, 'passkey', t('people.passkey.failed'), t('people.passkey.no.answer'));
}

/** Browsers name the kind; only their sentence says whether it was the certificate. */
function reason(error: unknown): string {
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
  if (/certificate|TLS/i.test(message)) return t('people.passkey.no.certificate');
  if (name === 'InvalidStateError') return t('people.passkey.no.twice');
  if (name === 'SecurityError') return t('people.passkey.no.address');
  return t('people.passkey.no.answer');
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64url.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
}

function text(buffer: ArrayBuffer): string {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join('');
  return btoa(letters).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
