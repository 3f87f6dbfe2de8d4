// The work surface: tabs, splits, broadcast, palette, find, clipboard, links, rebinding.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ACCOUNT, acceptHostKey, claimed, command, footbridge, leave, screen, seen, shot, signIn, sshd, type, until, visitor } from './world.mjs';

let box;
let server;
let visit;
let page;

before(async () => {
  [box, server] = await Promise.all([footbridge(), sshd()]);
  await claimed(box);
  visit = await visitor(box);
  page = visit.page;
  await signIn(page);
  // A host with a stored password, so that further panes open by themselves.
  await page.evaluate(async ({ port, password }) => {
    const { csrf } = await (await fetch('/api/state')).json();
    const headers = { 'Content-Type': 'application/json', 'X-Footbridge-Csrf': csrf };
    const { id } = await (await fetch('/api/credentials', { method: 'POST', headers, body: JSON.stringify({ label: 'pw', kind: 'password', password, address: '127.0.0.1', port }) })).json();
    const host = (label, more) => fetch('/api/hosts', { method: 'POST', headers, body: JSON.stringify({ label, address: '127.0.0.1', port, user: 'fbtest', credential_id: id, ...more }) });
    await host('workshop', { colour: 'teal', tags: ['home'], osc52: true });
    await host('attic', { favourite: true, notes: 'the old one' });
  }, { port: server.port, password: ACCOUNT.password });
  await page.reload();
  await page.locator('.start input').first().waitFor();
});
after(() => visit?.close());
after(leave);

async function open(name, first = false) {
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.start input').first().fill(name);
  await page.keyboard.press('Enter');
  if (first) await acceptHostKey(page, server.fingerprint);
  await seen(page, '$');
}

test('tabs show their host and state, and are walked by keys', async () => {
  await open('workshop', true);
  await open('attic');
  assert.equal(await page.locator('.tab').count(), 3);
  await page.keyboard.press('Alt+1');
  await until(async () => (await page.title()).includes('workshop') || (await page.locator('.tab.active .tab-title').innerText()).length > 0, 'the first tab');
  const first = await page.locator('.tab.active').getAttribute('data-tab');
  await page.keyboard.press('Alt+Shift+ArrowRight');
  await until(async () => (await page.locator('.tab.active').getAttribute('data-tab')) !== first, 'the next tab');
  await command(page, "printf '\\033]0;a title of its own\\007'", '$');
  await until(async () => (await page.locator('.tab.active .tab-title').innerText()) === 'a title of its own', 'the title of the program');
});

test('a hostile title is text', async () => {
  await type(page, "printf '\\033]0;<img src=x onerror=alert(1)>\\007'\n");
  await until(async () => (await page.locator('.tab.active .tab-title').innerText()).includes('<img'), 'the title as text');
  assert.equal(await page.locator('.tab img').count(), 0);
});

test('a tab is split, panes are walked, and typing goes to all of them only while that is said in red', async () => {
  await page.keyboard.press('Control+Shift+E');
  await until(async () => (await page.locator('.group .pane').count()) === 2, 'two panes');
  await seen(page, '$');
  await page.keyboard.press('Control+Shift+D');
  await until(async () => (await page.locator('.group .pane').count()) === 3, 'three panes');
  await seen(page, '$');
  await command(page, 'echo only-$((1+1))', 'only-2');
  const panes = () => page.evaluate(() => [...document.querySelectorAll('.group .pane')].map((pane) => pane.querySelector('.xterm-rows').textContent.replaceAll('\u00a0', ' ')));
  assert.equal((await panes()).filter((text) => text.includes('only-2')).length, 1);
  await page.keyboard.press('Control+Shift+B');
  await page.locator('.broadcast-warning').waitFor();
  await command(page, 'echo all-$((2+2))', 'all-4');
  await until(async () => (await panes()).every((text) => text.includes('all-4')), 'every pane got it');
  await shot(page, 'broadcast');
  // What one pane's program asks its terminal is answered to that program, and not typed into the others.
  await page.keyboard.press('Control+Shift+B');
  await page.locator('.broadcast-warning').waitFor({ state: 'hidden' });
  await type(page, "(sleep 2; printf '\\033[casked-%d' 7) & cat -v\n");
  await page.keyboard.press('Control+Shift+B');
  await page.locator('.broadcast-warning').waitFor();
  await seen(page, 'asked-7');
  await seen(page, /1;2c/);
  assert.equal((await panes()).filter((text) => text.includes('1;2c')).length, 1);
  await page.keyboard.press('Control+c');
  await page.keyboard.press('Control+Shift+B');
  await page.locator('.broadcast-warning').waitFor({ state: 'hidden' });
  await command(page, 'echo one-$((3+3))', 'one-6');
  assert.equal((await panes()).filter((text) => text.includes('one-6')).length, 1);
  await page.keyboard.press('Control+Shift+ArrowRight');
  const divider = page.locator('.divider').first();
  await divider.focus();
  const before = await divider.getAttribute('aria-valuenow');
  await page.keyboard.press('ArrowRight');
  assert.notEqual(await divider.getAttribute('aria-valuenow'), before);
});

test('the layout comes back after a reload, splits and all', async () => {
  await page.reload();
  await until(async () => (await page.locator('.group .pane').count()) === 3, 'three panes again');
  assert.equal(await page.locator('.tab').count(), 3);
  await page.locator('.group .pane .xterm-screen').first().click();
  await seen(page, '$');
});

test('the palette finds hosts, terminals and actions', async () => {
  await page.keyboard.press('Control+Shift+P');
  await page.locator('.palette input').fill('sett');
  await until(async () => (await page.locator('.palette-row').first().innerText()).includes('Settings'), 'the settings');
  await shot(page, 'palette');
  await page.keyboard.press('Enter');
  await page.locator('.settings').waitFor();
  await page.getByLabel('Colours of the page').selectOption('light');
  await shot(page, 'settings');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
  await shot(page, 'splits-light');
  await page.keyboard.press('Control+,');
  await page.getByLabel('Colours of the page').selectOption('dark');
  await page.keyboard.press('Escape');
});

test('find counts its matches in the scrollback', async () => {
  await open('workshop');
  await command(page, 'for i in 1 2 3 4 5 6 7; do echo needle-$i; done; seq 1 200; echo do""ne', 'done');
  await page.keyboard.press('Control+Shift+F');
  await page.locator('.pane.active .find-bar input').fill('needle-');
  await until(async () => /\d+ of 7/.test(await page.locator('.pane.active .find-count').innerText()) || /\d+ of 8/.test(await page.locator('.pane.active .find-count').innerText()), 'the count');
  await shot(page, 'find');
  await page.keyboard.press('Escape');
  await seen(page, 'done');
});

test('Ctrl+C copies what is selected and interrupts otherwise', async () => {
  await command(page, 'echo to-be-cop""ied', 'to-be-copied');
  const row = page.locator('.pane.active .xterm-rows > div', { hasText: /^to-be-copied/ }).first();
  const { x, y } = await row.boundingBox();
  await page.mouse.dblclick(x + 20, y + 8);
  await page.keyboard.press('Control+C');
  await until(async () => (await page.evaluate(() => navigator.clipboard.readText())).includes('copied'), 'the clipboard');
  await type(page, 'echo sle""eps; sleep 100\n');
  await seen(page, /^sleeps$/m);
  await page.keyboard.press('Control+C');
  await command(page, 'echo inter""rupted', 'interrupted');
});

test('several lines are shown before they are pasted, and the keys that browsers steal are sent', async () => {
  await page.evaluate(() => navigator.clipboard.writeText('echo first-$((1))\necho second-$((2))\n'));
  await page.keyboard.press('Control+Shift+V');
  await page.locator('.paste-preview').waitFor();
  await shot(page, 'paste');
  await page.locator('dialog .button.primary').click();
  await page.keyboard.press('Enter');
  await seen(page, 'second-2');
  await type(page, 'echo lost word');
  await page.keyboard.press('Control+Alt+w');
  await type(page, 'kept\n');
  await seen(page, /\nlost kept/);
});

test('a long paste arrives whole', async () => {
  await command(page, 'stty raw -echo; echo re""ady; head -c 3000000 | sha256sum; stty sane', 'ready');
  const text = await page.evaluate(() => {
    let text = '';
    while (text.length < 3000000) text += 'The quick brown fox jumps over the lazy dog. ';
    text = text.slice(0, 3000000);
    return navigator.clipboard.writeText(text).then(() => crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))).then((hash) => [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join(''));
  });
  await page.keyboard.press('Control+Shift+V');
  await page.locator('.paste-preview').waitFor();
  await page.locator('dialog .button.primary').click();
  await seen(page, text, 40_000);
});

test('a program writes the clipboard only where the host may, and never reads it', async () => {
  await type(page, "printf '\\033]52;c;%s\\007' $(printf from-the-host | base64)\n");
  await until(async () => (await page.evaluate(() => navigator.clipboard.readText())) === 'from-the-host', 'allowed for this host');
  await page.evaluate(() => navigator.clipboard.writeText('mine'));
  await type(page, "printf '\\033]52;c;?\\007'; printf '\\033[21t'; sleep 0.3; echo qui\"\"et\n");
  await seen(page, 'quiet');
  assert.ok(!(await screen(page)).includes('bWluZQ'), 'nothing was reported');
  await open('attic');
  await type(page, "printf '\\033]52;c;%s\\007' $(printf evil | base64)\n");
  await page.locator('.toast', { hasText: 'attic wanted' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'mine');
});

test('keys are shown by ? and can be changed', async () => {
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.start input').first().waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('?');
  await page.locator('.help').waitFor();
  await shot(page, 'keys-help');
  await page.getByRole('button', { name: /keys for Commands/ }).click();
  await page.keyboard.press('Alt+P');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Alt+P');
  await page.locator('.palette').waitFor();
  await page.keyboard.press('Escape');
});

/** Of the pane in front: what is free below its last row and right of its last column, in rows and columns. */
const free = () => page.evaluate(() => {
  const within = [...document.querySelectorAll('.screen')].find((one) => one.offsetParent !== null);
  const rows = within.querySelectorAll('.xterm-rows > div');
  const [pane, row] = [within.getBoundingClientRect(), rows[rows.length - 1].getBoundingClientRect()];
  return { rows: (pane.bottom - row.bottom) / row.height, right: pane.right - row.right };
});

test('as many rows as fit are shown, and all of the last one, however high the window', async () => {
  await open('workshop');
  for (const height of [800, 795, 790, 785, 780]) {
    await page.setViewportSize({ width: 1280, height });
    // The padding below is less than a fifth of a row.
    await until(async () => {
      const { rows, right } = await free();
      return rows >= 0 && rows < 1.2 && right >= 0;
    }, `a row is cut or lacks at ${height}: ${JSON.stringify(await free())}`, 10_000);
  }
});

test('keys are called what stands on them', async () => {
  const german = await visitor(box, { locale: 'de-DE' });
  await signIn(german.page);
  await german.page.keyboard.press('Control+Shift+?');
  const keys = await german.page.locator('.help kbd').allInnerTexts();
  assert.ok(keys.includes('Strg+Umschalt+→') && keys.includes('Alt+Umschalt+↑') && keys.includes('Strg+C'), keys.join(', '));
  assert.ok(!keys.some((one) => /Ctrl|Shift|Arrow/.test(one)), keys.join(', '));
  await german.close();
});
