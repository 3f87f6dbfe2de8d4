// How long a person waits, in a real browser: `FOOTBRIDGE_BIN=… node figures.mjs` prints a table. Figures, not tests: no machine fails by them.

import { guest, openHost, readyHost } from './hands.mjs';
import { claimed, footbridge, leave, seen, sshd, type, until as wait, visitor } from './world.mjs';

const [box, server] = await Promise.all([footbridge(), sshd()]);
const rows = [];

function middle(times, part = 0.5) {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

function figure(name, times, aim, part) {
  rows.push({ figure: name, ms: Math.round(middle(times, part) * 10) / 10, aim, times: times.length });
}

/** By the page's own clock, from the event until the screen of the active pane holds the text. */
function until(page, text) {
  return page.evaluate((text) => new Promise((done) => {
    const began = performance.now();
    const look = () => {
      const rows = document.querySelector('.pane.active .xterm-rows')?.textContent.replaceAll('\u00a0', ' ') ?? '';
      if (rows.includes(text)) done(performance.now() - began);
      else requestAnimationFrame(look);
    };
    look();
  }), text);
}

try {
  await claimed(box);
  const { page } = await guest(box);
  await readyHost(page, server);
  await page.reload();
  await page.locator('.host-row').first().waitFor();

  const prompt = [];
  for (let n = 0; n < 5; n += 1) {
    await page.keyboard.press('Control+Shift+H');
    await page.locator('.search-input').fill('bench');
    await page.locator('.host-row').first().waitFor();
    const waited = until(page, '$ ');
    await page.keyboard.press('Enter');
    prompt.push(await waited);
    await type(page, 'PS1="> "; clear; exit\n');
    await page.locator('.pane-bar[data-kind="ok"]').waitFor();
    await page.keyboard.press('Control+Shift+X');
    await page.waitForTimeout(200);
  }
  figure('click to prompt, the SSH handshake and login included', prompt, '150 over the handshake');

  const pane = (at) => page.locator('.group .pane').nth(at).locator('.xterm-screen').click();
  await openHost(page, 'bench');
  await seen(page, '$');
  const echo = async () => {
    const times = [];
    for (let n = 0; n < 60; n += 1) {
      const word = `${String.fromCharCode(97 + (n % 26))}`;
      // From the key's own event to the change of the screen, both by the page's clock.
      await page.evaluate(() => void (window.waited = new Promise((done) => {
        const rows = document.querySelector('.pane.active .xterm-rows');
        document.addEventListener('keydown', () => {
          const began = performance.now();
          const watch = new MutationObserver(() => { watch.disconnect(); done(performance.now() - began); });
          watch.observe(rows, { childList: true, subtree: true, characterData: true });
        }, { once: true, capture: true });
        setTimeout(() => done(5000), 5000);
      })));
      await page.keyboard.press(word);
      times.push(await page.evaluate(() => window.waited));
      await page.waitForTimeout(30);
    }
    return times;
  };
  figure('typing to screen, p95', await echo(), '', 0.95);
  await page.keyboard.press('Control+C');
  await page.keyboard.press('Control+Shift+E');
  await page.locator('.pane.active[data-state="live"]').waitFor();
  await seen(page, '$');
  await type(page, 'yes 0123456789012345678901234567890123456789\n');
  await page.waitForTimeout(1000);
  await pane(0);
  figure('typing to screen while another pane prints at full speed, p95', await echo(), '20', 0.95);
  await pane(1);
  await page.keyboard.press('Control+C');
  // A tab of its own, whose screen is the only one to paint.
  await openHost(page, 'bench');
  await seen(page, '$');
  await type(page, 'clear; echo painted-$((6*7))\n');
  await seen(page, 'painted-42');

  const painted = [];
  const reattached = [];
  await page.addInitScript(() => {
    const look = () => {
      if (document.querySelector('.pane.active .xterm-rows')?.textContent.includes('painted-42')) window.paintedAt ??= performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  for (let n = 0; n < 9; n += 1) {
    await page.waitForTimeout(1700);
    await page.reload({ waitUntil: 'commit' });
    await seen(page, 'painted-42');
    await wait(async () => (await page.evaluate(() => window.paintedAt)) !== undefined, 'the screen is not painted');
    const [now, asked] = await page.evaluate(() => [window.paintedAt, performance.getEntriesByType('resource').find(({ name }) => name.endsWith('/ticket')).startTime]);
    painted.push(now);
    reattached.push(now - asked);
  }
  figure('reload to painted screen, everything included', painted, '');
  figure('  of it: reattach, from asking for a ticket to the painted screen', reattached, '150');

  const loads = [];
  for (let n = 0; n < 3; n += 1) {
    const fresh = await visitor(box);
    const link = await fresh.context.newCDPSession(fresh.page);
    await link.send('Network.enable');
    await link.send('Network.clearBrowserCache');
    await link.send('Network.emulateNetworkConditions', { offline: false, latency: 20, downloadThroughput: 3e6 / 8, uploadThroughput: 1e6 / 8 });
    await fresh.page.goto(box.url, { waitUntil: 'commit' });
    await fresh.page.locator('input[autocomplete="current-password"]').waitFor();
    loads.push(await fresh.page.evaluate(() => performance.now()));
    await fresh.context.close();
  }
  figure('first page load at 3 Mbit/s, 20 ms, nothing cached', loads, '1500');
} finally {
  console.table(rows);
  await leave();
}
