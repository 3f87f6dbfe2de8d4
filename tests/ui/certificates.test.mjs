// Certificates of browsers in Chromium: what the box sees is said, the one of this connection is registered and demanded, another browser is
// told plainly why it does not come in, and the account can give it up again.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { accessible, dialog, menu } from './hands.mjs';
import { ADA, PATIENCE, claimed, footbridge, leave, openTerminal, shot, signIn, sshd, temporary, visitor } from './world.mjs';

const folder = temporary('certificates');
let box;
let server;

before(async () => {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ada.key', '-out', 'ada.pem', '-subj', '/CN=ada', '-days', '2'], { cwd: folder, stdio: 'ignore' });
  [box, server] = await Promise.all([footbridge({ FOOTBRIDGE_CLIENT_CERTIFICATES: 'ask' }), sshd()]);
  await claimed(box);
});
after(leave);

async function prove(page, button) {
  await dialog(page).getByRole('button', { name: button, exact: true }).click();
  await dialog(page).locator('input[autocomplete="current-password"]').fill(ADA.password);
  await dialog(page).getByRole('button', { name: 'Go on', exact: true }).click();
}

test('a certificate is registered, demanded and given up, and who has none is told', async () => {
  const plain = await visitor(box);
  await signIn(plain.page);
  await menu(plain.page, 'Your account');
  await dialog(plain.page).getByText('Your browser has shown no certificate').waitFor();
  await plain.close();

  const clientCertificates = [{ origin: new URL(box.url).origin, certPath: join(folder, 'ada.pem'), keyPath: join(folder, 'ada.key') }];
  const { page, close } = await visitor(box, { clientCertificates });
  await signIn(page);
  await menu(page, 'Your account');
  await prove(page, 'Register this certificate');
  const part = dialog(page).getByRole('region', { name: 'Certificates of browsers' });
  await part.getByText('Chrome').first().waitFor();

  // A second one, of a browser that is elsewhere.
  await part.getByRole('button', { name: 'Register another one' }).click();
  await dialog(page).getByLabel('Label').or(dialog(page).locator('input[name="label"]')).first().fill('Laptop');
  await dialog(page).getByLabel('Fingerprint (SHA-256)').fill(Array(32).fill('AB').join(':'));
  await dialog(page).locator('input[autocomplete="current-password"]').fill(ADA.password);
  await dialog(page).getByRole('button', { name: 'Go on', exact: true }).click();
  await part.getByText('Laptop').waitFor();

  await dialog(page).getByRole('button', { name: 'Demand a certificate', exact: true }).click();
  await dialog(page).getByText('not on localhost, not through a proxy').waitFor();
  await shot(page, 'certificate-demand');
  await dialog(page).locator('input[autocomplete="current-password"]').fill(ADA.password);
  await dialog(page).getByRole('button', { name: 'Go on', exact: true }).click();
  await part.getByText('You can sign in only with one of these').waitFor();
  await shot(page, 'certificate-account');
  await accessible(page);
  await page.keyboard.press('Escape');
  await openTerminal(page, server);

  const other = await visitor(box);
  await other.page.locator('input[autocomplete="username"]').fill(ADA.name);
  await other.page.locator('input[autocomplete="current-password"]').fill(ADA.password);
  await other.page.keyboard.press('Enter');
  await other.page.getByText('This account opens only with its certificate').waitFor({ timeout: PATIENCE });
  await shot(other.page, 'certificate-needed');
  assert.equal((await other.context.cookies()).length, 0);
  await other.close();

  await menu(page, 'Your account');
  await prove(page, 'Demand none');
  await part.getByRole('button', { name: 'Demand a certificate', exact: true }).waitFor();
  await close();
});
