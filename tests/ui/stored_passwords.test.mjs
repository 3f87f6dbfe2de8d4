// Before a stored password goes to a host where it was not sent before, the page asks for a proof, and then goes on by itself.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ACCOUNT, ADA, claimed, command, footbridge, leave, sshd, until } from './world.mjs';
import { accessible, ask, dialog, guest, menu } from './hands.mjs';

const there = {};
before(async () => {
  [there.box, there.server, there.other] = await Promise.all([footbridge(), sshd(), sshd()]);
  await claimed(there.box);
});
after(leave);

const place = (server) => ({ address: '127.0.0.1', port: server.port });

async function pinned(page, server) {
  await ask(page, 'POST', '/api/hostkeys', { ...place(server), fingerprint: server.fingerprint });
}

async function open(page, label) {
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.search-input').fill(label);
  await page.locator('.host-row', { hasText: label }).first().waitFor();
  await page.keyboard.press('Enter');
}

const live = (page) => page.locator('.pane.active[data-state="live"]').waitFor();

test('a proof is asked for once, with the place as the box has it', async () => {
  const { page, close } = await guest(there.box);
  await Promise.all([pinned(page, there.server), pinned(page, there.other)]);
  const { id } = await ask(page, 'POST', '/api/credentials', { label: 'garage', kind: 'password', password: ACCOUNT.password });
  const fields = { label: 'cellar', ...place(there.server), user: ACCOUNT.user, credential_id: id };
  const host = await ask(page, 'POST', '/api/hosts', fields);
  await page.reload();
  await page.locator('.search-input').waitFor();

  // Elsewhere somebody changes where it leads; this page does not know yet.
  await ask(page, 'PUT', `/api/hosts/${host.id}`, { ...fields, ...place(there.other) });
  await open(page, 'cellar');
  await dialog(page).getByText(`127.0.0.1:${there.other.port}`).first().waitFor();
  await dialog(page).getByRole('button', { name: 'Cancel' }).click();
  await page.locator('.pane.active[data-state="ended"]').waitFor();
  assert.ok((await page.locator('.pane.active .pane-bar').innerText()).includes('fresh proof'));

  await ask(page, 'PUT', `/api/hosts/${host.id}`, fields);
  await page.keyboard.press('Enter');
  await dialog(page).getByText(`127.0.0.1:${there.server.port}`).first().waitFor();
  await accessible(page, 'the question for a proof');
  await dialog(page).locator('input[type="password"]').fill('not the password at all');
  await page.keyboard.press('Enter');
  await dialog(page).locator('.field-error', { hasText: 'does not fit' }).waitFor();
  await dialog(page).locator('input[type="password"]').fill(ADA.password);
  await page.keyboard.press('Enter');
  await live(page);
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  await command(page, 'echo sent-$((20+2))', 'sent-22');
  await open(page, 'cellar');
  await live(page);
  assert.equal(await page.locator('dialog[open]').count(), 0, 'not again');
  await close();
});

test('the list says where it goes, and takes it off', async () => {
  const { page, close } = await guest(there.box);
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.search-input').waitFor();
  await menu(page, 'Keys and passwords');
  const row = dialog(page).locator('.key-row', { hasText: 'garage' });
  await row.getByText(`goes to 127.0.0.1:${there.server.port}`).waitFor();
  await row.locator('[aria-haspopup="menu"]').click();
  await page.getByRole('menuitem', { name: 'Where it goes …' }).click();
  await accessible(page, 'where a password goes');
  await dialog(page).getByRole('button', { name: `Do not send it to 127.0.0.1:${there.server.port} any more` }).click();
  await until(async () => (await ask(page, 'GET', '/api/credentials')).credentials[0].sent_to.length === 0, 'it is taken off');
  await dialog(page).getByRole('button', { name: 'Close' }).last().click();
  // The list is fetched anew, and until it comes the old one stays.
  await until(async () => (await row.count()) === 1 && (await row.getByText('goes to').count()) === 0, 'the list does not say it any more');
  await close();
});

test('a password that is added for a host needs no proof there', async () => {
  const { page, close } = await guest(there.box);
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.search-input').fill(`${ACCOUNT.user}@127.0.0.1:${there.other.port}`);
  await page.getByRole('button', { name: 'Save as host' }).click();
  await dialog(page).getByRole('button', { name: 'Store password' }).click();
  await dialog(page).getByText(`The password on 127.0.0.1:${there.other.port}`).waitFor();
  await dialog(page).locator('input[name="label"]').fill('typed there');
  await dialog(page).locator('input[name="password"]').fill(ACCOUNT.password);
  await page.keyboard.press('Enter');
  await dialog(page).getByRole('button', { name: 'Connect', exact: true }).click();
  await live(page);
  await close();
});
