// People: a second factor is set up from the picture on the page, asked for at the next sign-in, and replaced by a recovery code; an
// invitation makes a user, who can be disabled; what a stranger types as a name reaches nobody's page. In a real browser, on the real program.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { accessible, dialog, givePassword, menu } from './hands.mjs';
import { ADA, PATIENCE, PHONE, claimed, codeAt, footbridge, leave, shot, signIn, until, visitor } from './world.mjs';

const BOB = { name: 'bob', password: 'seven lanterns by the weir' };
const HOSTILE = '<img src=x onerror=document.title="run">';
let box;
let secret = '';
let used = 0;
let codes = [];

before(async () => {
  box = await footbridge();
  await claimed(box);
});
after(leave);

/** RFC 6238: a code works once, so that each call waits for a step that was not used. */
async function oneTimeCode() {
  await until(() => Math.floor(Date.now() / 30_000) > used, 'the next code did not come', 40_000);
  used = Math.floor(Date.now() / 30_000);
  return codeAt(secret, used);
}

test('a second factor is set up from the account, and its recovery codes are shown once', async () => {
  const { page, close } = await visitor(box);
  await signIn(page);
  await menu(page, 'Your account');
  await dialog(page).getByText('This browser', { exact: true }).waitFor();
  await shot(page, 'people-account');
  await accessible(page);
  await dialog(page).getByRole('button', { name: 'Set up' }).click();
  // Whoever finds the browser open has not got the password.
  const password = dialog(page).locator('input[autocomplete="current-password"]');
  await password.fill(BOB.password);
  await page.keyboard.press('Enter');
  await dialog(page).getByText('Nothing was changed').waitFor({ timeout: PATIENCE });
  assert.equal(await page.locator('.qr').count(), 0);
  await shot(page, 'people-enrol-proof');
  await accessible(page);
  await password.fill(ADA.password);
  await page.keyboard.press('Enter');
  await page.locator('.qr').waitFor({ timeout: PATIENCE });
  await page.getByText('I cannot scan it').click();
  secret = (await dialog(page).locator('.copy-box pre').innerText()).replaceAll(/\s/g, '');
  assert.match(secret, /^[A-Z2-7]{32}$/);
  await shot(page, 'people-enrol');
  await accessible(page);
  const code = dialog(page).locator('input[autocomplete="one-time-code"]');
  await code.fill('000000');
  await page.keyboard.press('Enter');
  await dialog(page).getByText('That code is wrong').waitFor();
  await code.fill(await oneTimeCode());
  await page.keyboard.press('Enter');
  await dialog(page).locator('.recovery-codes li').first().waitFor({ timeout: PATIENCE });
  codes = await dialog(page).locator('.recovery-codes code').allInnerTexts();
  assert.equal(new Set(codes).size, 10);
  await shot(page, 'people-codes');
  const [file] = await Promise.all([page.waitForEvent('download'), dialog(page).getByRole('button', { name: 'Save as file' }).click()]);
  const kept = readFileSync(await file.path(), 'utf8');
  assert.ok(codes.every((one) => kept.includes(one)));
  await dialog(page).getByRole('button', { name: 'Done' }).click();
  assert.equal(await dialog(page).locator('.recovery-codes').count(), 1, 'the codes stay until they are said to be kept');
  await dialog(page).getByText('I have put them in a safe place').click();
  await dialog(page).getByRole('button', { name: 'Done' }).click();
  await dialog(page).getByText('10 recovery codes are left').waitFor();
  await close();
});

test('the next sign-in asks for a code, and refuses a wrong one', async () => {
  const { page, close } = await visitor(box);
  await givePassword(page, ADA);
  const code = page.locator('input[autocomplete="one-time-code"]');
  await code.waitFor({ timeout: PATIENCE });
  await shot(page, 'people-code');
  await accessible(page);
  await code.fill('000000');
  await page.getByText('That code is wrong').waitFor();
  await page.reload();
  await code.waitFor();
  await code.fill(await oneTimeCode());
  await page.locator('.work').waitFor({ timeout: PATIENCE });
  await close();
});

test('a recovery code leads to a new factor, and its owner is told', async () => {
  const { page, close } = await visitor(box, { viewport: PHONE, colorScheme: 'light', hasTouch: true });
  await givePassword(page, ADA);
  await page.getByRole('button', { name: 'Use a recovery code' }).click();
  await shot(page, 'people-recovery-phone');
  await page.locator('[data-field="recovery_code"] input').fill(codes[0].toLowerCase());
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.locator('.qr').waitFor({ timeout: PATIENCE });
  await page.getByText('I cannot scan it').click();
  const before = secret;
  secret = (await page.locator('.copy-box pre').innerText()).replaceAll(/\s/g, '');
  assert.notEqual(secret, before);
  await shot(page, 'people-enrol-phone');
  await accessible(page);
  await page.locator('input[autocomplete="one-time-code"]').fill(await oneTimeCode());
  await page.getByRole('button', { name: 'Turn on' }).click();
  await page.locator('.recovery-codes li').first().waitFor({ timeout: PATIENCE });
  await shot(page, 'people-codes-phone');
  await page.getByText('I have put them in a safe place').click();
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.locator('.work').waitFor({ timeout: PATIENCE });
  await dialog(page).getByText('A recovery code of yours was used').waitFor();
  await shot(page, 'people-notice-phone');
  await dialog(page).getByRole('button', { name: 'I have read this' }).click();
  await page.reload();
  await page.locator('.work').waitFor();
  await page.waitForLoadState('networkidle');
  assert.equal(await page.locator('dialog[open]').count(), 0, 'what was read is not said again');
  await menu(page, 'Your account');
  await dialog(page).getByText('This browser', { exact: true }).waitFor();
  await shot(page, 'people-account-phone');
  await close();
});

test('an invitation makes a user who can be disabled, and what strangers type is not shown', async () => {
  const stranger = await visitor(box);
  await givePassword(stranger.page, { name: HOSTILE, password: 'no such bridge here' });
  await stranger.page.locator('.problem').waitFor({ timeout: PATIENCE });

  const { page, close } = await visitor(box);
  await givePassword(page, ADA);
  await page.locator('input[autocomplete="one-time-code"]').fill(await oneTimeCode());
  await page.locator('.work').waitFor({ timeout: PATIENCE });
  await menu(page, 'People');
  await dialog(page).getByRole('button', { name: 'Invite somebody' }).click();
  await dialog(page).getByText('Opens no terminals').waitFor();
  await shot(page, 'people-invite');
  await dialog(page).getByRole('button', { name: 'Make link' }).click();
  const link = (await dialog(page).locator('.copy-box pre').innerText()).trim();
  assert.ok(link.startsWith(`${box.url}/#invite=`));
  await shot(page, 'people-link');
  await dialog(page).getByRole('button', { name: 'Done' }).click();

  await stranger.page.goto(link);
  await stranger.page.getByText('Your password seals').waitFor();
  assert.equal(new URL(stranger.page.url()).hash, '', 'the token does not stay in the address');
  await shot(stranger.page, 'people-invited');
  await accessible(stranger.page);
  await stranger.page.locator('input[autocomplete="username"]').fill(BOB.name);
  await stranger.page.locator('input[autocomplete="new-password"]').fill(BOB.password);
  await stranger.page.getByRole('button', { name: 'Create account' }).click();
  await stranger.page.locator('.work').waitFor({ timeout: PATIENCE });
  await stranger.page.locator('.work-tools [aria-haspopup="menu"]').click();
  assert.equal(await stranger.page.getByRole('menuitem', { name: 'Audit' }).count(), 0, 'a user is not offered what is not theirs');

  await page.keyboard.press('Escape');
  await menu(page, 'People');
  await dialog(page).getByText('bob', { exact: true }).waitFor();
  await shot(page, 'people-users');
  await accessible(page);
  await dialog(page).getByRole('button', { name: /bob/ }).click();
  await page.getByRole('menuitem', { name: 'Disable' }).click();
  await dialog(page).getByRole('button', { name: 'Disable' }).click();
  await dialog(page).getByText('Disabled', { exact: true }).waitFor();
  await stranger.page.reload();
  await stranger.page.locator('input[autocomplete="current-password"]').waitFor({ timeout: PATIENCE });

  await page.keyboard.press('Escape');
  await menu(page, 'Audit');
  await dialog(page).getByText('Invitation accepted').waitFor();
  await shot(page, 'people-audit');
  await accessible(page);
  await dialog(page).locator('select').selectOption('signin.failed');
  const shown = () => dialog(page).locator('table.audit tbody tr').evaluateAll((rows) => rows.map((row) => [row.cells[1].title, row.cells[2].textContent]));
  await until(async () => (await shown()).every(([event]) => event === 'signin.failed'), 'other events are shown too');
  assert.ok((await shown()).length > 0);
  const saved = async (name) => {
    const [file] = await Promise.all([page.waitForEvent('download'), dialog(page).getByRole('button', { name }).click()]);
    return readFileSync(await file.path(), 'utf8');
  };
  const table = await saved('CSV');
  assert.match(table, /^time,event,user,peer/);
  assert.ok(table.trim().split('\r\n').slice(1).every((line) => line.split(',')[1] === 'signin.failed'), 'a file has what the filter takes');
  await dialog(page).locator('select').selectOption('');
  await dialog(page).locator('input[type="search"]').fill(BOB.name);
  await until(async () => (await shown()).every(([event, user]) => user === BOB.name || event.startsWith('admin.')) && (await shown()).length > 1, 'other people are shown too');
  const lines = (await saved('JSON')).trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(lines.filter((line) => line.user !== BOB.name && line.target !== BOB.name), []);
  assert.ok(lines.some((line) => line.event === 'invite.accept') && lines.some((line) => line.event === 'admin.user.disable'), JSON.stringify(lines));
  // The answer to an older filter comes late, and changes nothing.
  let release;
  const held = new Promise((done) => { release = done; });
  const late = page.waitForResponse(/api\/audit.*event=cli/);
  await page.route(/api\/audit.*event=cli/, async (route) => {
    await held;
    await route.continue();
  });
  await dialog(page).locator('select').selectOption('cli');
  await dialog(page).locator('select').selectOption('');
  await until(async () => (await shown()).some(([event]) => event === 'invite.accept'), 'the later filter is not shown');
  release();
  await (await late).finished();
  await page.waitForTimeout(300);
  assert.ok((await shown()).some(([event]) => event === 'invite.accept'), 'the filter of before is shown');
  // More than is shown at once: the page goes back to the beginning, and a file has all of it.
  await page.evaluate(async () => {
    const { csrf } = await (await fetch('/api/state')).json();
    const asked = (method, path, body) => fetch(path, { method, headers: { 'Content-Type': 'application/json', 'X-Footbridge-Csrf': csrf }, body: JSON.stringify(body) });
    for (let n = 0; n < 60; n += 1) {
      const { id } = await (await asked('POST', '/api/credentials', { label: `key ${n}`, kind: 'generate' })).json();
      await asked('DELETE', `/api/credentials/${id}`);
    }
  });
  await dialog(page).locator('input[type="search"]').fill('');
  const older = dialog(page).getByRole('button', { name: 'Older events' });
  await older.waitFor();
  await until(async () => (await shown()).length === 100, 'a first hundred is shown');
  await shot(page, 'people-audit-older');
  await older.focus();
  await page.keyboard.press('Enter');
  await until(async () => (await shown()).length > 100, 'no older ones come');
  while (await older.isVisible()) {
    const before = (await shown()).length;
    await older.click();
    await until(async () => (await shown()).length > before, 'no older ones come');
  }
  const every = await shown();
  assert.equal(every.at(-1)[0], 'serve.start', 'back to the beginning');
  const everything = (await saved('JSON')).trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(everything.map(({ event }) => event).reverse(), every.map(([event]) => event), 'a file has what the page has, each once');
  await dialog(page).getByLabel('Up to').fill('2026-01-01');
  await dialog(page).getByText('Nothing fits.').waitFor();
  await dialog(page).getByLabel('Up to').fill(new Date().toLocaleDateString('sv'));
  await until(async () => (await shown()).length === 100, 'today is left out');
  await page.setViewportSize(PHONE);
  await shot(page, 'people-audit-phone');
  await page.setViewportSize({ width: 1280, height: 800 });
  // It may have been a password in the wrong field.
  assert.ok(!table.includes('onerror'), table);
  assert.equal(await page.evaluate(() => document.querySelectorAll('img').length), 0);
  assert.notEqual(await page.title(), 'run');

  // What cannot be undone wants more than a browser that stands open.
  await page.keyboard.press('Escape');
  await menu(page, 'People');
  await dialog(page).getByRole('button', { name: /bob/ }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await dialog(page).getByText('deleted for good').waitFor();
  await shot(page, 'people-delete');
  await dialog(page).locator('input[autocomplete="one-time-code"]').fill(await oneTimeCode());
  await dialog(page).getByRole('button', { name: 'Delete', exact: true }).click();
  await dialog(page).getByText('bob', { exact: true }).waitFor({ state: 'detached' });
  await close();
  await stranger.close();
});

test('an administrator saves a backup, with a fresh code for it alone', async () => {
  const { page, close } = await visitor(box);
  await givePassword(page, ADA);
  await page.locator('input[autocomplete="one-time-code"]').fill(await oneTimeCode());
  await page.locator('.work').waitFor({ timeout: PATIENCE });
  await menu(page, 'People');
  await dialog(page).getByRole('button', { name: 'Save a backup' }).click();
  await dialog(page).locator('input[name="passphrase"]').fill(BOB.password);
  await shot(page, 'people-backup');
  await accessible(page);
  await dialog(page).getByRole('button', { name: 'Make backup' }).click();
  const code = dialog(page).locator('input[autocomplete="one-time-code"]');
  await code.fill('000000');
  await page.keyboard.press('Enter');
  await dialog(page).getByText('Nothing was changed').waitFor();
  await code.fill(await oneTimeCode());
  const [file] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
  const kept = readFileSync(await file.path());
  assert.ok(kept.length > 1000 && !kept.includes(ADA.name), 'sealed');
  await close();
});

test('a browser, a host and a stranger may call themselves what they like: it is text', async () => {
  const { page, close } = await visitor(box, { userAgent: HOSTILE });
  await givePassword(page, ADA);
  await page.locator('input[autocomplete="one-time-code"]').fill(await oneTimeCode());
  await page.locator('.work').waitFor({ timeout: PATIENCE });
  const csrf = (await page.evaluate(async () => (await fetch('/api/state')).json())).csrf;
  const put = (path, body, method = 'POST') => page.evaluate(async ([path, body, method, csrf]) => (await fetch(path, { method, headers: { 'Content-Type': 'application/json', 'X-Footbridge-Csrf': csrf }, body: JSON.stringify(body) })).status, [path, body, method, csrf]);
  const made = [
    await put('/api/hosts', { label: HOSTILE, address: '192.0.2.1', user: '<b>u</b>', tags: [HOSTILE.slice(0, 32)], notes: HOSTILE }),
    await put('/api/credentials', { label: HOSTILE, kind: 'password', password: HOSTILE }),
    await put('/api/credentials', { label: `"'>${HOSTILE}`, kind: 'generate' }),
  ];
  assert.deepEqual(made, [201, 201, 201]);
  // What a terminal to such a user leaves in the audit.
  await put('/api/sessions', { address: '127.0.0.1', port: 1, user: '<img/src=x/onerror=document.title="run">' });
  await page.reload();
  await page.locator('.work').waitFor({ timeout: PATIENCE });
  await page.getByText(HOSTILE).first().waitFor();
  await menu(page, 'Keys and passwords');
  await dialog(page).getByText(HOSTILE).first().waitFor();
  await page.keyboard.press('Escape');
  await menu(page, 'Your account');
  await dialog(page).getByText('This browser', { exact: true }).waitFor();
  await shot(page, 'people-hostile');
  await page.keyboard.press('Escape');
  await menu(page, 'Audit');
  await dialog(page).locator('.audit, table, .rows').first().waitFor();
  await dialog(page).locator('select').selectOption('session');
  await dialog(page).getByText('onerror').first().waitFor({ timeout: PATIENCE });
  await dialog(page).getByRole('button', { name: 'Close' }).last().click();
  await until(async () => (await page.locator('dialog[open]').count()) === 0, 'the dialog stays');
  await menu(page, 'People');
  await dialog(page).getByRole('button', { name: /ada/ }).waitFor();
  assert.equal(await page.evaluate(() => document.querySelectorAll('img, b').length), 0);
  assert.notEqual(await page.title(), 'run');
  await close();
});

test('a link opened in a tab that is still loading is not lost to the page before it', async () => {
  const { page, close } = await visitor(box);
  let asked = 0;
  let answered = 0;
  await page.route('**/api/state', async (route) => {
    // The answers come in the other order: what was asked first is answered last.
    if (++asked === 1) await until(() => answered > 0, 'the link asked for nothing');
    await route.continue();
    answered += 1;
  });
  await page.reload({ waitUntil: 'commit' });
  await page.waitForLoadState('domcontentloaded');
  await until(() => asked > 0, 'the page asked for nothing');
  await page.evaluate(() => void (location.hash = `#reset=${'A'.repeat(43)}`));
  await page.getByText('What becomes of what you have stored?').waitFor();
  await until(() => answered > 1, 'the first was not answered');
  await page.waitForLoadState('networkidle');
  assert.equal(await page.getByText('What becomes of what you have stored?').count(), 1, 'the page before it came after all');
  await close();
});

test('a reset says what becomes of stored credentials before it is done', async () => {
  const { page, close } = await visitor(box);
  await page.goto(`${box.url}/#reset=${'A'.repeat(43)}`);
  await page.getByText('What becomes of what you have stored?').waitFor();
  await shot(page, 'people-reset');
  await page.locator('input[autocomplete="new-password"]').fill(BOB.password);
  await page.getByText('I have no recovery code').click();
  await page.getByText('deleted for good').waitFor();
  await shot(page, 'people-reset-discard');
  await accessible(page);
  const button = page.getByRole('button', { name: 'Set password' });
  await button.click();
  assert.equal(await page.locator('.problem').count(), 0, 'nothing is sent before the deletion is confirmed');
  await page.getByText('Yes, delete').click();
  await button.click();
  await page.getByText('A link works once').waitFor({ timeout: PATIENCE });
  await close();
});
