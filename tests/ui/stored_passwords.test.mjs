// Before a stored password goes to a host where it was not sent before, the page asks for a proof, and then goes on by itself.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ACCOUNT, ADA, claimed, command, footbridge, leave, sshd, until } from './world.mjs';
import { accessible, ask, dialog, endAll, guest, menu } from './hands.mjs';

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

/** Panes that begin, each with the box's refusal held back until `release` lets it through and sees it arrive. */
async function held(page, labels) {
  const here = [];
  await page.route('**/api/sessions', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    const answer = await route.fetch();
    if (answer.status() !== 403 || here.length === labels.length) return route.fulfill({ response: answer });
    here.push(() => route.fulfill({ response: answer }));
  });
  for (const [at, label] of labels.entries()) {
    await open(page, label);
    await until(() => here.length === at + 1, `${label} is refused`);
  }
  return async (label) => {
    const arrived = page.waitForResponse((answer) => answer.url().endsWith('/api/sessions') && answer.status() === 403);
    await here[labels.indexOf(label)]();
    await arrived;
  };
}

test('panes that come back at once ask one after the other, in their order', async () => {
  const { page, close } = await guest(there.box);
  await Promise.all([endAll(page), pinned(page, there.server)]);
  const { id } = await ask(page, 'POST', '/api/credentials', { label: 'shed', kind: 'password', password: ACCOUNT.password });
  const ports = { first: 1, second: there.server.port, third: 2, gone: 3, same: there.server.port };
  for (const [label, port] of Object.entries(ports)) await ask(page, 'POST', '/api/hosts', { label: `at-${label}`, address: '127.0.0.1', port, user: ACCOUNT.user, credential_id: id });
  await page.reload();
  await page.locator('.search-input').waitFor();
  const labels = Object.keys(ports).map((name) => `at-${name}`);
  const release = await held(page, labels);
  const asked = async (port) => {
    await page.locator('dialog[open] h2', { hasText: `127.0.0.1:${port}` }).waitFor();
    assert.equal(await page.locator('dialog[open]').count(), 1, 'one question at a time');
  };
  const cancel = () => dialog(page).getByRole('button', { name: 'Cancel' }).click();
  const tab = (label) => page.locator('.tab', { hasText: label });

  await release('at-first');
  await asked(1);
  for (const label of ['at-same', 'at-gone', 'at-third', 'at-second']) await release(label);
  await asked(1);
  await cancel();
  await asked(there.server.port);
  // The page behind a dialog hears no finger and no key, so the test presses for it.
  await tab('at-gone').locator('.tab-close').evaluate((button) => button.click());
  await dialog(page).locator('input[type="password"]').fill(ADA.password);
  await page.keyboard.press('Enter');
  await asked(2);
  await cancel();
  await page.locator('.tab[data-state="live"]', { hasText: 'at-same' }).waitFor();
  assert.equal(await page.locator('dialog[open]').count(), 0, 'neither who is gone nor who has what was asked for');
  const states = await page.locator('.tab:not(.home)').evaluateAll((tabs) => tabs.map((one) => [one.textContent, one.dataset.state]));
  assert.deepEqual(states, [['at-first', 'ended'], ['at-second', 'live'], ['at-third', 'ended'], ['at-same', 'live']]);
  await close();
});

test('the audit says it in the language of the person', async () => {
  const { page, close } = await guest(there.box, { locale: 'de-DE' });
  await menu(page, 'Protokoll');
  const rows = dialog(page).locator('table.audit tbody tr');
  await rows.filter({ hasText: 'Handlung bestätigt' }).getByText(new RegExp(`^was: Passwort [\\w-]+ senden an 127\\.0\\.0\\.1 Port ${there.server.port}$`)).first().waitFor();
  await rows.filter({ hasText: 'Schlüssel oder Passwort gespeichert' }).getByText('Art: Passwort', { exact: true }).first().waitFor();
  await close();
});
