// More was printed while nobody looked than the box keeps: the page says how much is gone, and full-screen programs are drawn anew.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { boxAndHost, guest, openHost } from './hands.mjs';
import { ACCOUNT, mustEnd, network, screen, seen, signIn, type, until, visitor } from './world.mjs';

const there = boxAndHost({ FOOTBRIDGE_RING_KIB: '32' });

// What the account on the host makes outlives the connection, and so a test that failed: a file, and a tmux with its shells.
const POEM = `/tmp/gap-${process.pid}`;
const TMUX = `gap-${process.pid}`;
const uid = execFileSync('id', ['-u', ACCOUNT.user], { encoding: 'utf8' }).trim();
const tidy = () => {
  spawnSync('tmux', ['-S', `/tmp/tmux-${uid}/${TMUX}`, 'kill-server']);
  rmSync(`/tmp/tmux-${uid}/${TMUX}`, { force: true });
  rmSync(POEM, { force: true });
};
mustEnd(tidy, tidy);

for (const [name, program, shown] of [['vim', `vim.tiny -u NONE ${POEM} || vi ${POEM}`, /^poem line 1$/m], ['less', `less -P gap-prompt ${POEM}`, /^poem line 1$/m]]) {
  test(`${name} looks right after a gap`, async () => {
    const net = await network(there.box);
    const { page, close } = await visitor({ url: net.url });
    await signIn(page);
    await openHost(page, 'bench');
    await type(page, `echo be''gun; seq -f 'poem line %g' 1 300 > ${POEM}; sleep 2; seq 1 200000; ${program}\n`);
    await seen(page, /^begun$/m);
    net.down();
    await page.locator('.pane-bar', { hasText: 'Connection lost' }).waitFor();
    // The box is asked directly: the program has begun when output stopped growing.
    const other = await guest(there.box);
    const offset = () => other.page.evaluate(async () => (await (await fetch('/api/sessions')).json()).sessions.find(({ state }) => state === 'live')?.end_offset ?? 0);
    await until(async () => (await offset()) > 1_200_000, 'the host prints on while nobody looks');
    let last = 0;
    await until(async () => { const now = await offset(); const still = now === last; last = now; await page.waitForTimeout(250); return still; }, 'it is drawn');
    await other.close();
    net.up();
    await page.evaluate(() => window.dispatchEvent(new Event('online')));
    await seen(page, shown);
    let rows = [];
    const drawn = async () => {
      rows = (await screen(page)).split('\n');
      return rows[0] === 'poem line 1' && rows[19] === 'poem line 20';
    };
    await until(drawn, '').catch(() => assert.fail(rows.join('\n')));
    assert.ok(!rows.some((row) => /^\d+$/.test(row)), 'nothing of what was printed before is left on the screen');
    await type(page, name === 'vim' ? ':q!\n' : 'q');
    await seen(page, '$');
    await type(page, 'exit\n');
    await page.locator('.pane-bar[data-kind="ok"]').waitFor();
    await close();
    net.close();
  });
}

/** How much the only live terminal has printed so far, as the box says. */
function printed(page) {
  return page.evaluate(async () => (await (await fetch('/api/sessions')).json()).sessions.find(({ state }) => state === 'live')?.end_offset ?? 0);
}

/** More than the ring holds, twice over: what was printed when the program began has left it. */
async function ringRolls(page) {
  const begun = await printed(page);
  await until(async () => (await printed(page)) > begun + 70_000, 'the program prints on', 60_000);
}

/** A click on a word on the terminal's screen. */
async function clickWord(page, word) {
  const at = await page.evaluate((word) => {
    const row = [...document.querySelectorAll('.pane.active .xterm-rows > div')].findLast((each) => each.textContent.includes(word));
    const range = document.createRange();
    const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
    let before = 0;
    const middle = row.textContent.indexOf(word) + Math.floor(word.length / 2);
    while (walker.nextNode()) {
      const { length } = walker.currentNode;
      if (middle < before + length) {
        range.setStart(walker.currentNode, middle - before);
        range.setEnd(walker.currentNode, middle - before + 1);
        break;
      }
      before += length;
    }
    const { left, top, width, height } = range.getBoundingClientRect();
    return { x: left + width / 2, y: top + height / 2 };
  }, word);
  await page.mouse.click(at.x, at.y);
}

test('htop left running: after the gap it looks right, and still has the mouse', async () => {
  const net = await network(there.box);
  const { page, close } = await visitor({ url: net.url });
  await signIn(page);
  await openHost(page, 'bench');
  await type(page, 'htop -d 1\n');
  await seen(page, /F10Quit/);
  const other = await guest(there.box);
  net.down();
  await page.locator('.pane-bar', { hasText: 'Connection lost' }).waitFor();
  await ringRolls(other.page);
  net.up();
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await page.locator('.pane.active[data-state="live"]').waitFor();
  await until(async () => {
    const rows = (await screen(page)).split('\n');
    return /^ +1?\[/.test(rows[0]) || /Tasks:/.test(rows.slice(0, 8).join(' ')) ? rows.some((row) => /PID +.?USER/.test(row)) && /^F1Help/.test(rows.findLast((row) => row.trim() !== '') ?? '') : false;
  }, 'htop is drawn from top to bottom');
  await clickWord(page, 'Quit');
  await seen(page, /\$ *$/m);
  await type(page, 'echo back-$((40+2))\n');
  await seen(page, /^back-42$/m);
  assert.ok(!/F10Quit/.test(await screen(page)), 'the alternate screen was left');
  await other.close();
  await type(page, 'exit\n');
  await page.locator('.pane-bar[data-kind="ok"]').waitFor();
  await close();
  net.close();
});

test('tmux left running: a page that comes late sees it whole, with mouse and paste as tmux wants them', async () => {
  const { page, close } = await guest(there.box);
  await openHost(page, 'bench');
  await type(page, `export T="tmux -L ${TMUX} -f /dev/null"; $T new-session -d -n first; $T set -g mouse on; $T new-window -n second; $T attach\n`);
  await seen(page, /0:first- 1:second\*/);
  await type(page, 'clear; while :; do seq -w 1000; sleep .05; done\n');
  await ringRolls(page);
  await page.reload();
  await page.locator('.pane.active[data-state="live"]').waitFor();
  await seen(page, /0:first- 1:second\*/);
  await page.keyboard.press('Control+c');
  await clickWord(page, '0:first');
  await seen(page, /0:first\* 1:second-/);
  const rows = (await screen(page)).split('\n');
  assert.ok(!rows.some((row) => /^\d{4}$/.test(row)), 'the other window shows');
  await type(page, '$T kill-server\n');
  await seen(page, /exited\]/);
  await type(page, 'exit 0\n');
  await page.locator('.pane-bar[data-kind="ok"]').waitFor();
  await close();
});
