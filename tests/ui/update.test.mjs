// An administrator brings a newer program with the browser: signed, it takes over and says so; anything else changes nothing and says
// why. In a real browser, on a copy of the real program that is really exchanged.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { accessible, dialog, menu } from './hands.mjs';
import { ADA, PATIENCE, PHONE, claimed, footbridge, freePort, leave, shot, signIn, temporary, until, visitor } from './world.mjs';

const key = generateKeyPairSync('ed25519');
/** The real program with other bytes, as a second build has them; what made it; and a signature of somebody else's. */
const files = { folder: temporary('release') };
let box;

before(async () => {
  for (const name of ['pem', 'new', 'sig', 'foreign']) files[name] = join(files.folder, name);
  writeFileSync(files.pem, key.publicKey.export({ type: 'spki', format: 'pem' }));
  // The page must find the box where it was.
  box = await footbridge({ FOOTBRIDGE_UPDATE_KEY: files.pem, FOOTBRIDGE_LISTEN: `127.0.0.1:${await freePort()}` }, { copied: true });
  const second = Buffer.concat([readFileSync(box.program), Buffer.from('a second build')]);
  writeFileSync(files.new, second);
  writeFileSync(files.sig, sign(null, second, key.privateKey));
  writeFileSync(files.foreign, sign(null, second, generateKeyPairSync('ed25519').privateKey));
  await claimed(box);
});
after(leave);

async function openUpdate(page) {
  await menu(page, 'People');
  await dialog(page).getByRole('button', { name: 'Update the box' }).click();
  await dialog(page).getByText('This box runs Footbridge').waitFor({ timeout: PATIENCE });
}

/** The files, then the proof. */
async function bring(page, program, signature, label = 'Program') {
  await dialog(page).getByLabel(label).setInputFiles(program);
  await dialog(page).getByLabel('Its signature').setInputFiles(signature);
  await dialog(page).getByRole('button', { name: 'Next' }).click();
  await dialog(page).locator('[data-field="proof"] input').fill(ADA.password);
  await dialog(page).getByRole('button', { name: 'Update', exact: true }).click();
}

test('a program that another key has signed changes nothing, and the page says why', async () => {
  const { page, close } = await visitor(box);
  await signIn(page);
  await openUpdate(page);
  await accessible(page);
  await shot(page, 'people-update');
  await dialog(page).getByRole('button', { name: 'Next' }).click();
  await dialog(page).getByText('Choose the file of the program.').waitFor();
  const before = readFileSync(box.program);
  await bring(page, files.new, files.foreign);
  await dialog(page).getByText('another key signed it').waitFor({ timeout: 60_000 });
  await dialog(page).getByText('Nothing has changed.', { exact: true }).waitFor();
  await accessible(page);
  await shot(page, 'people-update-refused');
  assert.ok(readFileSync(box.program).equals(before));
  await dialog(page).getByRole('button', { name: 'Close' }).last().click();
  await close();
});

test('a signed one takes over, and the page says so afterwards', async () => {
  const { page, close } = await visitor(box, { viewport: PHONE, colorScheme: 'light', hasTouch: true });
  await signIn(page);
  await openUpdate(page);
  await shot(page, 'people-update-phone');
  await bring(page, files.new, files.sig);
  await page.locator('.update-status').waitFor();
  await until(() => existsSync(join(box.folder, 'data/update/ending')), 'the update has no end', 120_000);
  await page.getByText('The box has started anew').or(page.locator('input[autocomplete="current-password"]')).first().waitFor({ timeout: 60_000 });
  assert.ok(readFileSync(box.program).equals(readFileSync(files.new)));
  await page.reload();
  await signIn(page);
  await openUpdate(page);
  await dialog(page).getByText('is installed and serves').waitFor();
  await accessible(page);
  await shot(page, 'people-update-done-phone');
  await close();
});

test('an image is left for the service that installs it, and the page says what that has said', async () => {
  const other = await footbridge({ FOOTBRIDGE_UPDATE_KEY: files.pem, FOOTBRIDGE_UPDATE_HANDOVER: 'image' }, { copied: true });
  await claimed(other);
  const { page, close } = await visitor(other, { viewport: PHONE, hasTouch: true });
  await signIn(page);
  await openUpdate(page);
  await accessible(page);
  await shot(page, 'people-update-image-phone');
  await bring(page, files.new, files.sig, 'Image');
  await dialog(page).getByText('writes the new image beside its own').waitFor({ timeout: 60_000 });
  await shot(page, 'people-update-image-waiting-phone');
  // The part of firmware-image/rootfs/etc/rc/watch, which make image-test plays in a whole image.
  assert.ok(readFileSync(join(other.folder, 'data/update/program')).equals(readFileSync(files.new)));
  await until(() => existsSync(join(other.folder, 'data/update/ready')), 'nobody is told that it is there');
  execFileSync(other.program, ['update', 'ended', 'kept', 'The image was refused: it is for rpi1, and this is rpi64.', '--data', join(other.folder, 'data')]);
  await dialog(page).getByText('it is for rpi1, and this is rpi64').waitFor({ timeout: PATIENCE });
  await accessible(page);
  await shot(page, 'people-update-image-refused-phone');
  await close();
  await other.close();
});

test('a box that takes no program from the page says why', async () => {
  const other = await footbridge();
  await claimed(other);
  const { page, close } = await visitor(other);
  await signIn(page);
  await openUpdate(page);
  await dialog(page).getByText('was built without a key for updates').waitFor();
  assert.equal(await dialog(page).locator('input[type="file"]').count(), 0);
  await shot(page, 'people-update-closed');
  await close();
  await other.close();
});
