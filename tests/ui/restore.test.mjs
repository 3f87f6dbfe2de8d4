// A new box becomes the one of a backup, from its first page: by mouse and keyboard, with the file that the command line makes, in a
// real browser. What goes wrong is said in words, and what was typed stays.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { accessible } from './hands.mjs';
import { ADA, PATIENCE, PHONE, answers, claimed, footbridge, freePort, leave, shot, signIn, temporary, until, visitor } from './world.mjs';

const PASSPHRASE = 'eleven lamps along the quay';
const files = { folder: temporary('backup') };

before(async () => {
  for (const name of ['words', 'good', 'damaged', 'other']) files[name] = join(files.folder, `${name}.backup`);
  const old = await footbridge();
  await claimed(old);
  writeFileSync(files.words, PASSPHRASE, { mode: 0o600 });
  execFileSync(old.program, ['backup', 'create', files.good, '--passphrase-file', files.words, '--data', join(old.folder, 'data')]);
  await old.close();
  const good = readFileSync(files.good);
  writeFileSync(files.damaged, good.subarray(0, good.length - 1));
  writeFileSync(files.other, 'a picture of a bridge');
});
after(leave);

/** The page must find it where it was. */
const newBox = async () => footbridge({ FOOTBRIDGE_LISTEN: `127.0.0.1:${await freePort()}` });

const code = (page) => page.getByLabel(/claim code|Einrichtungscode/i);
const passphrase = (page) => page.locator('input[name="passphrase"]');

/** By the browser's own dialog, which is caught only once the browser has heard of it: a key is quicker than that. */
async function choose(page, file, open = () => page.locator('input[type="file"]').click()) {
  const chooser = page.waitForEvent('filechooser');
  await page.evaluate(() => null);
  await open();
  await (await chooser).setFiles(file);
}

async function send(page, words = PASSPHRASE) {
  await passphrase(page).fill(words);
  await page.keyboard.press('Enter');
}

test('a new box comes back as the old one, and the page with its sign-in', async () => {
  const box = await newBox();
  const { page, close } = await visitor(box);
  await code(page).fill(box.code);
  await page.getByRole('button', { name: 'Restore a backup instead' }).click();
  await page.getByRole('heading', { name: 'Restore a backup' }).waitFor();
  assert.equal((await code(page).inputValue()).replaceAll('-', ''), box.code.replaceAll('-', ''), 'what was typed came along');
  assert.ok(await page.locator('input[type="file"]').evaluate((it) => it === document.activeElement));
  await accessible(page);
  await shot(page, 'restore');
  await choose(page, files.good, () => page.keyboard.press('Enter'));
  await page.keyboard.press('Tab');
  assert.ok(await passphrase(page).evaluate((it) => it === document.activeElement), 'from the file to the passphrase');
  await send(page);
  await page.getByText('Restored: one user.').waitFor({ timeout: PATIENCE });
  await accessible(page);
  await shot(page, 'restore-done');
  await page.reload();
  await page.getByText('Restored: one user.').waitFor({ timeout: PATIENCE });
  await signIn(page);
  await page.reload();
  await page.locator('.work').waitFor({ timeout: PATIENCE });
  assert.equal(await page.evaluate(() => sessionStorage.getItem('footbridge.restored')), null, 'it was said');
  await close();
  await box.close();
});

test('what does not fit is said, and what was typed stays, but for the passphrase', async () => {
  const box = await newBox();
  const { page, close } = await visitor(box, { viewport: PHONE, colorScheme: 'light', hasTouch: true });
  await page.getByRole('button', { name: 'Restore a backup instead' }).click();
  await page.getByRole('button', { name: 'Restore', exact: true }).click();
  for (const words of ['Enter the claim code', 'Choose the file', 'Enter the passphrase']) await page.getByText(words).waitFor();
  await accessible(page);
  await shot(page, 'restore-empty-phone');
  await code(page).fill('AAAAA-AAAAA-AAAAA-AAAAA');
  await choose(page, files.good);
  await send(page);
  await page.getByText('That is not the code.').waitFor();
  await code(page).fill(box.code);
  await send(page, 'not this one at all');
  await page.getByText('It does not open: the passphrase is wrong').waitFor();
  assert.equal(await passphrase(page).inputValue(), '');
  assert.ok(await passphrase(page).evaluate((it) => it === document.activeElement));
  await accessible(page);
  await shot(page, 'restore-wrong-phone');
  await choose(page, files.other);
  await send(page);
  await page.getByText('This is not a backup.').waitFor();
  await choose(page, files.damaged);
  await send(page);
  await page.getByText('or the file was changed or cut off').waitFor();
  // The connection breaks in the middle.
  await page.route('**/api/restore', (route) => (route.request().method() === 'PUT' ? route.abort() : route.continue()));
  await choose(page, files.good);
  await send(page);
  await page.locator('.problem').waitFor();
  await shot(page, 'restore-lost-phone');
  await page.unroute('**/api/restore');
  assert.equal(await page.locator('input[type="file"]').evaluate((it) => it.files.length), 1);
  await send(page);
  await page.getByText('Restored: one user.').waitFor({ timeout: PATIENCE });
  await shot(page, 'restore-done-phone');
  await signIn(page);
  await close();
  await box.close();
});

/** Until somebody reloads, a browser that does not know the other box's certificate gets no answer. */
test('a browser that does not know the old certificate is told to load the page anew', async () => {
  const box = await newBox();
  const { page, close } = await visitor(box, { locale: 'de-DE', viewport: PHONE });
  await code(page).fill(box.code);
  await page.getByRole('button', { name: 'Stattdessen eine Sicherung' }).click();
  await choose(page, files.good);
  let known = true;
  await page.route('**/api/**', async (route) => {
    if (!known) return route.abort();
    if (route.request().url().endsWith('/finish')) known = false;
    return route.continue();
  });
  // A person who loads it anew is asked, and says yes.
  page.on('request', (request) => request.isNavigationRequest() && (known = true));
  await send(page);
  const reload = page.getByRole('button', { name: 'Seite neu laden' });
  await reload.waitFor({ timeout: PATIENCE });
  await page.getByText('das Zertifikat der zurückgespielten Box').waitFor();
  await accessible(page);
  await shot(page, 'restore-anew-de-phone');
  await until(() => answers(Number(new URL(box.url).port)), 'the box does not come back');
  await reload.click();
  await page.getByText('Zurückgespielt: ein Benutzer.').waitFor({ timeout: PATIENCE });
  await accessible(page);
  await close();
  await box.close();
});

test('who thinks better of it sets up a new box, and one that somebody has claimed says so', async () => {
  const box = await newBox();
  const { page, close } = await visitor(box, { colorScheme: 'light' });
  await page.getByRole('button', { name: 'Restore a backup instead' }).click();
  await code(page).fill(box.code);
  await accessible(page);
  await shot(page, 'restore-light');
  await page.getByRole('button', { name: 'Set up a new box instead' }).click();
  await page.getByRole('heading', { name: 'Set up this box' }).waitFor();
  assert.notEqual(await code(page).inputValue(), '');
  await page.getByRole('button', { name: 'Restore a backup instead' }).click();
  await claimed(box);
  await choose(page, files.good);
  await send(page);
  await page.getByText('This box has an administrator already.').waitFor();
  await page.reload();
  await signIn(page, ADA);
  await close();
  await box.close();
});
