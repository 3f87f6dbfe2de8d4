// Trusted devices in a real browser: a key that cannot be taken out is trusted, demanded, opens a terminal, lets another device in, and gets
// its owner in while the account is locked for everybody else.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, dialog, menu } from './hands.mjs';
import { ADA, PATIENCE, claimed, footbridge, leave, openTerminal, quickConnect, shot, signIn, sshd, visitor } from './world.mjs';

let box;
let server;

before(async () => {
  box = await footbridge();
  server = await sshd();
  await claimed(box);
});
after(leave);

/** Opens a dialog of the account and gives the password as its proof. */
async function prove(page, button, action) {
  await dialog(page).getByRole('button', { name: button, exact: true }).click();
  await dialog(page).locator('input[autocomplete="current-password"]').fill(ADA.password);
  await dialog(page).getByRole('button', { name: action, exact: true }).click();
}

test('a trusted browser is removed with the password, and its sign-in ends', async () => {
  const { page, close } = await visitor(box);
  await signIn(page);
  await menu(page, 'Your account');
  await prove(page, 'Trust this browser', 'Trust it');
  await dialog(page).getByRole('button', { name: /no more$/ }).click();
  await dialog(page).locator('input[autocomplete="current-password"]').fill(ADA.password);
  await dialog(page).getByRole('button', { name: 'Delete', exact: true }).click();
  await page.locator('.work').waitFor({ state: 'detached' });
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  await signIn(page);
  await menu(page, 'Your account');
  await dialog(page).getByText('None. A trusted browser').waitFor();
  await close();
});

test('a trusted browser opens terminals, lets another in, and is not locked out', async () => {
  const { page, context, close } = await visitor(box);
  await signIn(page);
  await menu(page, 'Your account');
  await prove(page, 'Trust this browser', 'Trust it');
  await prove(page, 'Demand a trusted device', 'Go on');
  await dialog(page).getByText('Terminals open on these devices only').waitFor();
  await shot(page, 'device-account');
  await accessible(page);
  const exportable = await page.evaluate(
    () =>
      new Promise((done) => {
        const opening = indexedDB.open('footbridge', 1);
        opening.onsuccess = () => {
          const all = opening.result.transaction('devices').objectStore('devices').getAll();
          all.onsuccess = () => done(all.result.map(({ key }) => key.extractable));
        };
      }),
  );
  assert.deepEqual(exportable, [false], 'one key, which cannot be taken out');
  await page.keyboard.press('Escape');
  await openTerminal(page, server);

  // Somebody who knows the password, elsewhere.
  const other = await visitor(box);
  await other.page.locator('input[autocomplete="username"]').fill(ADA.name);
  await other.page.locator('input[autocomplete="current-password"]').fill(ADA.password);
  await other.page.keyboard.press('Enter');
  const code = other.page.getByLabel('Code from a trusted device');
  await code.waitFor({ timeout: PATIENCE });
  await shot(other.page, 'device-step');
  await accessible(other.page);
  await code.fill('AAAAA-AAAAA-AAAAA-AAAAA');
  await other.page.keyboard.press('Enter');
  await other.page.getByText('This code is wrong, was used already').waitFor();
  await menu(page, 'Your account');
  await prove(page, 'Let in another device', 'Next');
  const given = (await dialog(page).locator('.copy-box pre').innerText()).trim();
  await code.fill(given.toLowerCase());
  await other.page.keyboard.press('Enter');
  await other.page.locator('.work').waitFor({ timeout: PATIENCE });
  await other.close();
  await page.close();

  // Five wrong passwords lock the account; its owner's device does not mind.
  const attacker = await visitor(box);
  const statuses = await attacker.page.evaluate(async () => {
    const tried = [];
    for (const password of [...Array(5).fill('not the password of ada'), 'a long bridge over cold water']) {
      tried.push((await fetch('/api/login', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name: 'ada', password }) })).status);
    }
    return tried;
  });
  assert.deepEqual(statuses.slice(0, 4), [401, 401, 401, 401]);
  assert.ok(statuses.at(-1) >= 400, 'with the right password too');
  await attacker.close();
  await context.clearCookies();
  const owner = await context.newPage();
  await owner.goto(box.url);
  await signIn(owner);

  // A browser that loses its key is told so where it can no longer open a terminal.
  await owner.evaluate(() => new Promise((done) => (indexedDB.deleteDatabase('footbridge').onsuccess = done)));
  await owner.reload();
  await owner.locator('.work').waitFor();
  // The terminal of before may be in front.
  await owner.keyboard.press('Control+Shift+H');
  await quickConnect(owner, server.port);
  await owner.getByText('has lost the key').first().waitFor();
  await shot(owner, 'device-lost');
  await close();
});
