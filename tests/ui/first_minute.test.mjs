// The first minute: claim, a host, its fingerprint, a terminal, a command and its output. By mouse and keyboard, in a real browser, on a real
// OpenSSH server. No policy is violated and nothing is asked of another origin.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ACCOUNT, AS_SHIPPED, PATIENCE, acceptHostKey, answerPassword, claim, codeAt, command, fillClaim, footbridge, leave, openTerminal, quickConnect, screen, seen, shot, sshd, until, visitor } from './world.mjs';

let box;
let server;

before(async () => {
  [box, server] = await Promise.all([footbridge(), sshd()]);
});
after(leave);

test('a stranger gets from the claim code to a prompt', async () => {
  const { page, close } = await visitor(box);
  await page.getByLabel(/code/i).first().waitFor();
  await shot(page, 'claim');
  await claim(page, box);
  await shot(page, 'empty');

  await page.keyboard.press('Escape');
  await quickConnect(page, server.port);
  await page.locator('.question').waitFor();
  await shot(page, 'fingerprint');
  await acceptHostKey(page, server.fingerprint);
  await answerPassword(page);
  await seen(page, '$');
  await command(page, 'echo $((6*7)) $TERM; stty size', '42 xterm-256color');
  // The answer of the second command, with the prompt after it, comes when it comes.
  let size = null;
  await until(async () => (size = /(\d+) (\d+)\s*\n[^\n]*\$/.exec(await screen(page))) !== null, 'stty says no size');
  const [, rows, cols] = size;
  assert.ok(Number(rows) > 20 && Number(cols) > 100, `the terminal fills the window: ${cols}x${rows}`);
  await command(page, "printf '\\033[38;2;255;80;0mtruecolor\\033[0m \\033[1;32mgreen\\033[0m 你好\\n'", '你好');
  await shot(page, 'terminal');
  const colour = await page.evaluate(() => [...document.querySelectorAll('.xterm-rows span')].find((span) => span.textContent === 'truecolor' && getComputedStyle(span).color === 'rgb(255, 80, 0)') !== undefined);
  assert.ok(colour, 'colours are painted under the strict policy');

  await page.keyboard.type('exit 3');
  await page.keyboard.press('Enter');
  await page.locator('.pane-bar', { hasText: 'status 3' }).waitFor();
  await shot(page, 'ended');
  await page.keyboard.press('Enter');
  await answerPassword(page);
  await command(page, 'whoami', ACCOUNT.user);
  await close();
});

test('in a box as it ships, the second factor comes between the claim and the prompt', async () => {
  const shipped = await footbridge(AS_SHIPPED);
  const { page, close } = await visitor(shipped);
  await page.getByLabel(/code/i).first().waitFor();
  await fillClaim(page, shipped);
  await page.locator('.qr').waitFor({ timeout: PATIENCE });
  await page.reload();
  await page.locator('.qr').waitFor({ timeout: PATIENCE });
  assert.equal(await page.locator('.work').count(), 0, 'a reload is no way around it');
  await page.getByText('I cannot scan it').click();
  const secret = (await page.locator('.copy-box pre').innerText()).replaceAll(/\s/g, '');
  await shot(page, 'factor-required');
  await page.locator('input[autocomplete="one-time-code"]').fill(codeAt(secret, Math.floor(Date.now() / 30_000)));
  await page.getByRole('button', { name: 'Turn on' }).click();
  await page.locator('.recovery-codes li').first().waitFor({ timeout: PATIENCE });
  await page.getByText('I have put them in a safe place').click();
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.locator('.work').waitFor({ timeout: PATIENCE });
  await page.keyboard.press('Escape');
  await openTerminal(page, server);
  await command(page, 'echo $((6*7))', '42');
  await close();
  await shipped.close();
});
