// Passkeys with a browser's own authenticator: one is added from the account, asked for at the next sign-in, stands for a code, and the
// page says why where there can be none.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { accessible, dialog, givePassword, menu } from './hands.mjs';
import { ADA, AS_SHIPPED, PATIENCE, PHONE, WIDE, claimed, codeAt, fillClaim, footbridge, launch, leave, shot, signIn, until, visitor, watch } from './world.mjs';

/** Chromium makes an exception for localhost, so the box has another name. */
const NAME = 'box.test';
let box;
/** Where everybody has a second factor, and nobody has claimed it yet. */
let strict;
let trusting;
let doubting;
let named;

before(async () => {
  box = await footbridge({ FOOTBRIDGE_NAMES: NAME });
  await claimed(box);
  named = { ...box, url: box.url.replace('127.0.0.1', NAME) };
  const shipped = await footbridge({ ...AS_SHIPPED, FOOTBRIDGE_NAMES: NAME });
  strict = { ...shipped, url: shipped.url.replace('127.0.0.1', NAME) };
  // WebAuthn wants a certificate that the browser trusts: these, by their public keys.
  const pins = await Promise.all([box, shipped].map(({ url }) => publicKeyPin(new URL(url))));
  const names = `--host-resolver-rules=MAP ${NAME} 127.0.0.1`;
  trusting = await launch(names, `--ignore-certificate-errors-spki-list=${pins.join(',')}`);
  doubting = await launch(names);
});
after(leave);

async function publicKeyPin({ hostname, port }) {
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
  await new Promise((done, fail) => socket.once('secureConnect', done).once('error', fail));

  const key = socket.getPeerX509Certificate().publicKey.export({ type: 'spki', format: 'der' });
  socket.destroy();

  return createHash('sha256').update(key).digest('base64');
}

/** Somebody at the box's name. `prepared` sees the page before it is opened. */
async function caller(at, look, prepared) {
  const context = await trusting.newContext({ viewport: WIDE, locale: 'en-US', colorScheme: 'dark', reducedMotion: 'reduce', ...look });
  context.setDefaultTimeout(PATIENCE);
  const trouble = [];
  const page = await context.newPage();
  watch(page, at, trouble);
  const more = await prepared(context, page);
  await page.goto(at.url);
  return {
    page,
    ...more,
    async close() {
      await context.close();
      assert.deepEqual(trouble, []);
    },
  };
}

/** With a key on a ring that is always touched; what it holds is what was put into it before. */
function guest(credentials = [], at = named) {
  return caller(at, {}, async (context, page) => {
    const session = await context.newCDPSession(page);
    await session.send('WebAuthn.enable');
    const options = { protocol: 'ctap2', transport: 'usb', hasResidentKey: false, hasUserVerification: false, automaticPresenceSimulation: true };
    const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', { options });
    for (const credential of credentials) await session.send('WebAuthn.addCredential', { authenticatorId, credential });
    return { keys: async () => (await session.send('WebAuthn.getCredentials', { authenticatorId })).credentials };
  });
}

/** A browser that has never heard of passkeys, as on an old tablet. */
function without(at, look = {}) {
  return caller(at, look, (context) =>
    context.addInitScript(() => {
      delete window.PublicKeyCredential;
      Object.defineProperty(navigator, 'credentials', { value: undefined });
    }),
  );
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
  await dialog(there).locator('input[autocomplete="current-password"]').fill(ADA.password);
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
  const password = dialog(first.page).locator('input[autocomplete="current-password"]');
  await password.fill('not this one, surely');
  await dialog(first.page).getByRole('button', { name: 'Go on' }).click();
  await dialog(first.page).getByText('Nothing was changed').waitFor({ timeout: PATIENCE });
  assert.equal((await first.keys()).length, 0, 'whoever finds the browser open makes no key');
  await password.fill(ADA.password);
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
  // Whoever has no app is not asked for its digits.
  await use(dialog(again.page)).waitFor();
  await dialog(again.page).locator('.dialog-actions .button').last().click();
  await dialog(again.page).getByText('Use one of your passkeys first.').waitFor();
  await use(dialog(again.page)).click();
  await dialog(again.page).locator('.recovery-codes li').first().waitFor({ timeout: PATIENCE });
  await dialog(again.page).getByText('I have put them in a safe place').click();
  await dialog(again.page).getByRole('button', { name: 'Done' }).click();

  // The only factor stays; it is turned off with a proof.
  await dialog(again.page).getByRole('button', { name: 'Remove ring' }).click();
  await use(dialog(again.page)).click();
  await again.page.getByText('This is your only second factor').first().waitFor();
  await again.close();

  // The counter of a copy stands where it stood.
  const copy = await guest(keys);
  await givePassword(copy.page, ADA);
  await use(copy.page).click();
  await copy.page.getByText('This passkey does not fit').waitFor();
  await copy.close();
});

/** By keyboard alone, from wherever the focus is. */
async function tabTo(page, name) {
  for (let steps = 0; steps < 20; steps += 1) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate(() => document.activeElement.textContent.trim())) === name) return;
  }
  assert.fail(`Tab never comes to ${name}`);
}

const now = () => Math.floor(Date.now() / 30_000);

test('a passkey instead of an app by keyboard, and a way on for a browser that knows none', async () => {
  const first = await guest([], strict);
  await fillClaim(first.page, strict);
  await first.page.getByText('Use a passkey instead').waitFor();
  await shot(first.page, 'passkey-instead');
  await accessible(first.page);
  await tabTo(first.page, 'Use a passkey instead');
  await first.page.keyboard.press('Enter');
  await first.page.locator('.recovery-codes li').first().waitFor({ timeout: PATIENCE });
  const recovery = (await first.page.locator('.recovery-codes li').first().innerText()).trim();
  await first.page.locator('input[type="checkbox"]').focus();
  await first.page.keyboard.press('Space');
  await first.page.keyboard.press('Enter');
  await first.page.locator('.work').waitFor({ timeout: PATIENCE });
  await first.close();

  // Only a passkey, and a browser that has none: it says so, and a recovery code is the way on.
  const old = await without(strict, { viewport: PHONE, colorScheme: 'light', hasTouch: true });
  await givePassword(old.page, ADA);
  await old.page.getByText('This browser knows no passkeys.').waitFor();
  assert.ok(await old.page.getByRole('button', { name: 'Use a passkey' }).isDisabled());
  await shot(old.page, 'passkey-none-phone');
  await accessible(old.page);
  await old.page.getByRole('button', { name: 'Use a recovery code' }).click();
  await old.page.locator('.entry-form input').first().fill(recovery);
  await old.page.keyboard.press('Enter');
  await old.page.getByRole('button', { name: 'Use a passkey instead' }).click();
  await old.page.getByText('This browser knows no passkeys.').waitFor();
  await shot(old.page, 'passkey-instead-none-phone');
  await old.page.getByText('I cannot scan it').click();
  const secret = (await old.page.locator('.copy-box pre').innerText()).replaceAll(/\s/g, '');
  let used = now() - 1;
  await old.page.locator('input[autocomplete="one-time-code"]').fill(codeAt(secret, used));
  await old.page.getByRole('button', { name: 'Turn on' }).click();
  await old.page.locator('.recovery-codes li').first().waitFor({ timeout: PATIENCE });
  await old.page.getByText('I have put them in a safe place').click();
  await old.page.getByRole('button', { name: 'Go on' }).click();
  await old.page.locator('.work').waitFor({ timeout: PATIENCE });
  // That a recovery code was used is told, once.
  await dialog(old.page).waitFor();
  await shot(old.page, 'notice-recovery-phone');
  await dialog(old.page).getByRole('button', { name: 'I have read this' }).click();
  await menu(old.page, 'Your account');
  await dialog(old.page).getByText('This browser knows no passkeys.').waitFor();
  assert.ok(await dialog(old.page).getByRole('button', { name: 'Add a passkey' }).isDisabled());
  await shot(old.page, 'passkey-account-none-phone');
  await accessible(old.page);
  await old.close();

  // An app and a passkey: beside the code there is the passkey, and where there can be none the code does.
  const both = await guest([], strict);
  await givePassword(both.page, ADA);
  used = Math.max(used + 1, now());
  await both.page.locator('input[autocomplete="one-time-code"]').fill(codeAt(secret, used));
  await both.page.locator('.work').waitFor({ timeout: PATIENCE });
  await menu(both.page, 'Your account');
  await dialog(both.page).getByRole('button', { name: 'Add a passkey' }).click();
  await dialog(both.page).getByLabel('Name').fill('ring');
  used = Math.max(used + 1, now());
  await until(() => used <= now() + 1, 'the next code', 40_000);
  await dialog(both.page).locator('input[autocomplete="one-time-code"]').fill(codeAt(secret, used));
  await dialog(both.page).getByRole('button', { name: 'Go on' }).click();
  await dialog(both.page).getByText('ring', { exact: true }).waitFor({ timeout: PATIENCE });
  const keys = await both.keys();
  await both.close();

  const again = await guest(keys, strict);
  await givePassword(again.page, ADA);
  await again.page.locator('input[autocomplete="one-time-code"]').waitFor();
  await shot(again.page, 'passkey-beside-code');
  await accessible(again.page);
  await tabTo(again.page, 'Use a passkey');
  await again.page.keyboard.press('Enter');
  await again.page.locator('.work').waitFor({ timeout: PATIENCE });
  await again.close();

  const last = await without(strict);
  await givePassword(last.page, ADA);
  await last.page.getByRole('button', { name: 'Use a passkey' }).click();
  await last.page.getByText('This browser knows no passkeys.').waitFor();
  await shot(last.page, 'passkey-beside-code-none');
  await until(() => used < now() + 1, 'the next code', 70_000);
  await last.page.locator('input[autocomplete="one-time-code"]').fill(codeAt(secret, used + 1));
  await last.page.locator('.work').waitFor({ timeout: PATIENCE });
  await last.close();
});
