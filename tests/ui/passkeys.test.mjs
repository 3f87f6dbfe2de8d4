// Passkeys with a browser's own authenticator: one is added from the account, asked for at the next sign-in, stands for a code, and the
// page says why where there can be none.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { chromium } from 'playwright-core';
import { accessible, dialog, givePassword, menu } from './hands.mjs';
import { ADA, PATIENCE, WIDE, claimed, closeBrowser, footbridge, shot, signIn, visitor, watch } from './world.mjs';

/** Chromium makes an exception for localhost, so the box has another name. */
const NAME = 'box.test';
let box;
let trusting;
let doubting;
let named;

before(async () => {
  box = await footbridge({ FOOTBRIDGE_NAMES: NAME });
  await claimed(box);
  named = { ...box, url: box.url.replace('127.0.0.1', NAME) };
  // WebAuthn wants a certificate that the browser trusts: this one, by its public key.
  const pin = await publicKeyPin(new URL(box.url));
  trusting = await launch(`--ignore-certificate-errors-spki-list=${pin}`);
  doubting = await launch();
});
after(async () => {
  await trusting?.close();
  await doubting?.close();
  await closeBrowser();
  await box.close();
});

function launch(...more) {
  const args = ['--no-sandbox', '--disable-dev-shm-usage', `--host-resolver-rules=MAP ${NAME} 127.0.0.1`, ...more];
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
}

async function publicKeyPin({ hostname, port }) {
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
  await new Promise((done, fail) => socket.once('secureConnect', done).once('error', fail));

  const key = socket.getPeerX509Certificate().publicKey.export({ type: 'spki', format: 'der' });
  socket.destroy();

  return createHash('sha256').update(key).digest('base64');
}

/** Somebody at the box's name, with a key on a ring that is always touched; what it holds is what was put into it before. */
async function guest(credentials = []) {
  const context = await trusting.newContext({ viewport: WIDE, locale: 'en-US', colorScheme: 'dark', reducedMotion: 'reduce' });
  context.setDefaultTimeout(PATIENCE);
  const trouble = [];
  const page = await context.newPage();
  watch(page, named, trouble);
  const session = await context.newCDPSession(page);
  await session.send('WebAuthn.enable');
  const options = { protocol: 'ctap2', transport: 'usb', hasResidentKey: false, hasUserVerification: false, automaticPresenceSimulation: true };
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', { options });
  for (const credential of credentials) await session.send('WebAuthn.addCredential', { authenticatorId, credential });
  await page.goto(named.url);
  return {
    page,
    keys: async () => (await session.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    async close() {
      await context.close();
      assert.deepEqual(trouble, []);
    },
  };
}

test('at an address, and under a certificate that is not trusted, the page says why there are none', async () => {
  const { page, close } = await visitor(box);
  await signIn(page);
  await menu(page, 'Your account');
  await dialog(page).getByText('opened by an address').waitFor();
  assert.ok(await dialog(page).getByRole('button', { name: 'Add a passkey' }).isDisabled());
  await shot(page, 'passkey-address');
  await accessible(page);
  await close();

  const there = await doubting.newPage({ locale: 'en-US', viewport: WIDE });
  there.setDefaultTimeout(PATIENCE);
  await assert.rejects(there.goto(named.url), /ERR_CERT_AUTHORITY_INVALID/);
  await there.locator('#details-button').waitFor();
  // What goes past Chromium's warning.
  await there.keyboard.type('thisisunsafe', { delay: 20 });
  await signIn(there);
  await menu(there, 'Your account');
  await dialog(there).getByRole('button', { name: 'Add a passkey' }).click();
  await dialog(there).getByRole('button', { name: 'Go on' }).click();
  await dialog(there).getByText('under a certificate that they trust').waitFor();
  await shot(there, 'passkey-certificate');
  await there.close();
});

test('a passkey is added, asked for at the next sign-in, and stands for a code', async () => {
  const first = await guest();
  await signIn(first.page);
  await menu(first.page, 'Your account');
  await dialog(first.page).getByRole('button', { name: 'Add a passkey' }).click();
  await dialog(first.page).getByLabel('Name').fill('ring');
  await shot(first.page, 'passkey-add');
  await accessible(first.page);
  await dialog(first.page).getByRole('button', { name: 'Go on' }).click();
  await dialog(first.page).locator('.recovery-codes li').first().waitFor({ timeout: PATIENCE });
  await dialog(first.page).getByText('I have put them in a safe place').click();
  await dialog(first.page).getByRole('button', { name: 'Done' }).click();
  await dialog(first.page).getByText('asks for one of your passkeys').waitFor();
  await dialog(first.page).getByText('ring', { exact: true }).waitFor();
  await shot(first.page, 'passkey-account');
  await accessible(first.page);
  const keys = await first.keys();
  assert.equal(keys.length, 1);
  await first.close();

  // Without it nobody comes further.
  const without = await guest();
  await givePassword(without.page, ADA);
  const use = (page) => page.getByRole('button', { name: 'Use a passkey' });
  await use(without.page).waitFor();
  await shot(without.page, 'passkey-step');
  await accessible(without.page);
  assert.equal(await without.page.locator('input[autocomplete="one-time-code"]').count(), 0, 'there is no app to ask for a code');
  await without.page.getByRole('button', { name: 'Use a recovery code' }).waitFor();
  await without.close();

  const again = await guest(keys);
  await givePassword(again.page, ADA);
  await use(again.page).click();
  await again.page.locator('.work').waitFor({ timeout: PATIENCE });
  const [used] = await again.keys();
  assert.ok(used.signCount > keys[0].signCount);
  await menu(again.page, 'Your account');
  await dialog(again.page).getByRole('button', { name: 'New recovery codes' }).click();
  await use(dialog(again.page)).click();
  await dialog(again.page).locator('.recovery-codes li').first().waitFor({ timeout: PATIENCE });
  await dialog(again.page).getByText('I have put them in a safe place').click();
  await dialog(again.page).getByRole('button', { name: 'Done' }).click();

  // The only factor stays; it is turned off with a proof.
  await dialog(again.page).getByRole('button', { name: 'Remove ring' }).click();
  await dialog(again.page).getByRole('button', { name: 'Delete' }).click();
  await again.page.getByText('This is your only second factor').first().waitFor();
  await again.close();

  // The counter of a copy stands where it stood.
  const copy = await guest(keys);
  await givePassword(copy.page, ADA);
  await use(copy.page).click();
  await copy.page.getByText('This passkey does not fit').waitFor();
  await copy.close();
});
