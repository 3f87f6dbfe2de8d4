// What ends, breaks off or is given up leaves nothing behind: no modes of a dead program, no half paste, no terminal that nobody asked for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, command, network, screen, seen, signIn, type, until, visitor } from './world.mjs';
import { boxAndHost, dialog, openHost } from './hands.mjs';

const there = boxAndHost({ FOOTBRIDGE_TERMINALS_PER_USER: '20' });

/** Somebody at a terminal of the host. */
async function atTheHost(options = {}, through = there.box) {
  const visit = await visitor({ url: through.url }, options);
  await signIn(visit.page);
  // Terminals of the test before may come back.
  await visit.page.keyboard.press('Control+Shift+H');
  await visit.page.locator('.search-input').waitFor();
  await openHost(visit.page, 'bench');
  return visit;
}

const paste = async (page, text) => {
  await page.evaluate((text) => navigator.clipboard.writeText(text), text);
  await page.keyboard.press('Control+Shift+V');
  await page.locator('.paste-preview').waitFor();
  await dialog(page).locator('.button.primary').click();
};

test('a new start after the end has no modes of the program that was there', async () => {
  const { page, close } = await atTheHost();
  await type(page, "printf '\\033[?1049h\\033[?1003;1006h\\033]0;a dead program\\007'; exit\n");
  await page.locator('.pane.active[data-state="ended"]').waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.pane.active[data-state="live"]').waitFor();
  await command(page, 'echo anew-$((5+5))', 'anew-10');
  const pane = await page.locator('.pane.active .screen').boundingBox();
  for (let step = 1; step < 8; step += 1) await page.mouse.move(pane.x + 40 * step, pane.y + 30 * step);
  await command(page, 'echo moved-$((6+6))', 'moved-12');
  assert.ok(!(await screen(page)).includes('[<35'), await screen(page));
  await until(async () => (await page.locator('.tab.active .tab-title').innerText()) !== 'a dead program', 'the title of the host');
  await close();
});

test('no at the warning of a paste is a no to the line that was composed', async () => {
  const { page, close } = await atTheHost({ viewport: PHONE, hasTouch: true, isMobile: true });
  await type(page, 'echo was-run-$((2*3))');
  await page.locator('.touch-bar').getByRole('button', { name: 'Compose a line' }).tap();
  const line = page.locator('.compose textarea');
  await line.fill('one\ntwo\nthree');
  await page.locator('.compose .button').tap();
  await page.locator('.paste-preview').waitFor();
  await dialog(page).getByRole('button', { name: 'Cancel' }).tap();
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  assert.equal(await line.inputValue(), 'one\ntwo\nthree', 'nothing is lost');
  // What is typed now comes after whatever was sent.
  await page.locator('.pane.active .xterm-screen').tap();
  await page.keyboard.press('Control+C');
  await command(page, 'echo after-$((2*4))', 'after-8');
  assert.ok(!(await screen(page)).includes('was-run-6'), 'and nothing was run');
  await close();
});

test('a paste that is given up ends for the host too, and what is typed comes after it', async () => {
  const { page, close } = await atTheHost();
  await type(page, "stty raw -echo; printf '\\033[?2004hbegins-%d' 7; sleep 4; stdbuf -o0 tr -d a | cat -v\n");
  await seen(page, 'begins-7');
  await paste(page, 'a'.repeat(9_000_000));
  await page.locator('.pasting').waitFor();
  await page.keyboard.type('Z');
  await page.locator('.pasting').getByRole('button', { name: 'Cancel' }).click();
  await seen(page, '^[[200~^[[201~Z');
  await close();
});

test('more than can be kept while there is no connection is refused in words, and so is what depends on it', async () => {
  const net = await network(there.box);
  const { page, close } = await atTheHost({}, net);
  net.down();
  await page.locator('.pane-bar', { hasText: 'Connection lost' }).waitFor();
  await paste(page, 'echo '.padEnd(70_000, 'x'));
  await page.locator('.toast', { hasText: 'This was not sent' }).waitFor();
  await type(page, 'echo blind-$((7*7))\n');
  net.up();
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await page.locator('.pane.active[data-state="live"]').waitFor();
  await command(page, 'echo seen-$((8*8))', 'seen-64');
  assert.ok(!(await screen(page)).includes('blind-49'), 'an Enter without its line');
  await close();
  net.close();
});

test('a composed line that cannot be kept without a connection stays where it is, and is refused once', async () => {
  const net = await network(there.box);
  const { page, close } = await atTheHost({ viewport: PHONE, hasTouch: true, isMobile: true }, net);
  await page.locator('.touch-bar').getByRole('button', { name: 'Compose a line' }).tap();
  const line = page.locator('.compose textarea');
  await line.fill('y'.repeat(70_000));
  net.down();
  await page.locator('.pane-bar', { hasText: 'Connection lost' }).waitFor();
  await page.locator('.compose .button').tap();
  await page.locator('.paste-preview').waitFor();
  await dialog(page).locator('.button.primary').tap();
  await page.locator('.toast', { hasText: 'This was not sent' }).waitFor();
  assert.equal((await line.inputValue()).length, 70_000);
  await page.locator('.touch-bar').getByRole('button', { name: 'Tab', exact: true }).tap();
  await page.locator('.touch-bar').getByRole('button', { name: 'Tab', exact: true }).tap();
  assert.equal(await page.locator('.toast', { hasText: 'This was not sent' }).count(), 1);
  await close();
  net.close();
});

test('a pane that is closed before the box has answered leaves no terminal', async () => {
  const { page, close } = await atTheHost();
  const live = () => page.evaluate(async () => (await (await fetch('/api/sessions')).json()).sessions.filter(({ state }) => state !== 'ended').length);
  const before = await live();
  let release;
  const closed = new Promise((done) => { release = done; });
  let answered = false;
  await page.route('**/api/sessions', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    const answer = await route.fetch();
    await closed;
    await route.fulfill({ response: answer });
    answered = true;
  });
  await page.keyboard.press('Control+Shift+E');
  await until(async () => (await page.locator('.group .pane').count()) === 2, 'two panes');
  await page.keyboard.press('Control+Shift+X');
  await until(async () => (await page.locator('.group .pane').count()) === 1, 'one pane');
  release();
  await until(() => answered, 'the answer of the box');
  await page.unroute('**/api/sessions');
  await until(async () => (await live()) === before, 'nothing runs that nobody sees');
  await close();
});

/** What the focus is on, and that an Enter at once changes nothing. */
async function enterDestroysNothing(page, question) {
  await dialog(page).getByText(question).first().waitFor();
  assert.equal(await dialog(page).getAttribute('role'), 'alertdialog', 'read at once, and at a phone\'s foot');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Cancel', question);
  await page.keyboard.press('Enter');
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
}

test('where an answer destroys something, an Enter at once destroys nothing, and the keys go back to where they were', async () => {
  const { page, close } = await atTheHost();
  await command(page, 'echo first-$((3*3))', 'first-9');
  await page.keyboard.press('Control+Shift+X');
  await enterDestroysNothing(page, 'What becomes of the terminal?');
  await command(page, 'echo after-close-$((4*4))', 'after-close-16');
  for (const [words, question] of [['end the terminal', 'are hung up'], ['sign out', 'Sign out?']]) {
    await page.keyboard.press('Control+Shift+P');
    await page.locator('.palette input').fill(words);
    await page.keyboard.press('Enter');
    await enterDestroysNothing(page, question);
    await command(page, `echo after-$((${words.length}))-${words.length}`, `after-${words.length}-`);
  }
  await page.keyboard.press('Control+Shift+H');
  for (const [row, item, question] of [['.live-row', /^End/, 'are hung up'], ['.host-row', /^Delete/, 'Delete']]) {
    const first = page.locator(row).first();
    await first.waitFor();
    const direct = first.getByRole('button', { name: item });
    if (await direct.count()) await direct.click();
    else {
      await first.locator('[aria-haspopup="menu"]').click();
      await page.getByRole('menuitem', { name: item }).click();
    }
    await enterDestroysNothing(page, question);
    await first.waitFor();
  }
  await close();
});

test('a terminal that does not end when it is told to is not taken for one that did', async () => {
  const { page, close } = await atTheHost();
  await page.route('**/api/sessions/*', (route) => (route.request().method() === 'DELETE' ? route.abort() : route.continue()));
  const panes = await page.locator('.group .pane').count();
  await page.keyboard.press('Control+Shift+X');
  await dialog(page).getByRole('button', { name: 'End it' }).click();
  await dialog(page).getByText('cannot be reached').waitFor();
  assert.equal(await page.locator('.group .pane').count(), panes);
  await page.unroute('**/api/sessions/*');
  await dialog(page).getByRole('button', { name: 'End it' }).click();
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  await close();
});
