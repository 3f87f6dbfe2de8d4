// Every state as it looks: empty, loading, full, asking, failing, away, ended; light, dark and high contrast; wide and on a phone. The pictures
// go where FOOTBRIDGE_SHOTS says (`make shots`: docs/screenshots); here each of them is judged by axe-core, and nothing hangs over the edge.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, endAll, guest, manyHosts, openHost, readyHost, wear } from './hands.mjs';
import { PHONE, claimed, command, footbridge, leave, network, quickConnect, seen, shot, signIn, sshd, type, visitor } from './world.mjs';

let box;
let server;
let stranger;

before(async () => {
  [box, server, stranger] = await Promise.all([footbridge(), sshd(), sshd()]);
  await claimed(box);
});

async function populated() {
  const { page, close } = await guest(box);
  await manyHosts(page);
  await readyHost(page, server);
  await close();
}
after(leave);

const phone = { viewport: PHONE, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

/** The picture, and that it is good for everybody. */
async function look(page, name) {
  await shot(page, name);
  await accessible(page, name);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, `${name}: nothing hangs over the edge`);
}

test('before anybody is there, and with nothing in it', async () => {
  const fresh = await footbridge();
  const { page, close } = await visitor(fresh);
  await page.getByLabel(/claim code/i).waitFor();
  await look(page, 'claim');
  await close();
  await fresh.close();
  for (const [size, options] of [['wide', {}], ['phone', phone]]) {
    const visit = await guest(box, options);
    await look(visit.page, `empty-${size}`);
    await visit.close();
  }
  await populated();
});

test('full, in every theme and size', async () => {
  const first = await guest(box);
  await openHost(first.page, 'bench');
  await first.close();
  for (const [size, options] of [['wide', {}], ['phone', phone]]) {
    for (const theme of ['light', 'dark', 'contrast']) {
      const { page, close } = await guest(box, options);
      await page.keyboard.press('Control+Shift+H');
      await wear(page, theme);
      await page.locator('.live-row').first().waitFor();
      await look(page, `hosts-${size}-${theme}`);
      await close();
    }
  }
});

test('terminals, splits, broadcast and what lies over them', async () => {
  const { page, close } = await guest(box);
  await endAll(page);
  await page.reload();
  await page.locator('.host-row').first().waitFor();
  for (const theme of ['dark', 'light', 'contrast']) {
    await page.keyboard.press('Control+Shift+H');
    await wear(page, theme);
    await openHost(page, 'bench');
    await type(page, 'clear; ls -l --color=always / | head -18; echo the"" end\n');
    await seen(page, /^the end/m);
    await page.keyboard.press('Control+Shift+E');
    await seen(page, '$');
    await page.keyboard.press('Control+Shift+D');
    await seen(page, '$');
    await command(page, 'uname -sm; uptime', 'load average');
    await look(page, `splits-${theme}`);
    await page.keyboard.press('Control+Shift+B');
    await page.locator('.broadcast-warning').waitFor();
    await look(page, `broadcast-${theme}`);
    await page.keyboard.press('Control+Shift+B');
    for (const words of ['settings', 'keys and passwords', 'host keys', 'account', 'no such thing']) {
      await page.keyboard.press('Control+Shift+P');
      await page.locator('.palette input').fill(words);
      await accessible(page, `palette, ${theme}`);
      if (words === 'no such thing') break;
      await page.keyboard.press('Enter');
      await page.locator('dialog[open]:not(:has(.palette))').waitFor();
      await page.waitForTimeout(200);
      await look(page, `${words.replaceAll(' ', '-')}-${theme}`);
      await page.keyboard.press('Escape');
      await page.locator('dialog[open]').waitFor({ state: 'detached' });
    }
    await page.keyboard.press('Escape');
    await endAll(page);
  }
  await close();
});

test('asking, refused, away, ended', async () => {
  const net = await network(box);
  const { page, close } = await visitor({ url: net.url });
  await signIn(page);
  await endAll(page);
  await page.reload();
  await page.locator('.host-row').first().waitFor();
  await quickConnect(page, stranger.port);
  await page.locator('.question').waitFor();
  await look(page, 'asking');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('.pane-bar[data-kind="danger"]').waitFor();
  await look(page, 'not-accepted');
  await openHost(page, 'bench');
  await command(page, 'echo still-$((1))-here', 'still-1-here');
  net.down();
  await page.locator('.pane-bar', { hasText: 'Connection lost' }).waitFor();
  await look(page, 'away');
  net.up();
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await page.locator('.pane.active[data-state="live"]').waitFor();
  await type(page, 'exit 3\n');
  await page.locator('.pane-bar', { hasText: 'status 3' }).waitFor();
  await look(page, 'ended');
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.host-row').first().waitFor();
  net.down();
  await page.locator('.start .alert').waitFor({ timeout: 20_000 });
  await look(page, 'unreachable');
  await close();
  net.close();
});

test('nothing jumps while the hosts come', async () => {
  const { page, close } = await guest(box);
  await page.addInitScript(() => {
    window.jumps = [];
    new PerformanceObserver((list) => window.jumps.push(...list.getEntries().filter((one) => !one.hadRecentInput).map(({ value, sources }) => [value, sources.map(({ node }) => node?.className)]))).observe({ type: 'layout-shift', buffered: true });
  });
  await page.reload();
  await page.locator('.host-row').first().waitFor();
  await page.waitForTimeout(500);
  const jumps = await page.evaluate(() => window.jumps);
  assert.ok(jumps.reduce((sum, [value]) => sum + value, 0) < 0.1, JSON.stringify(jumps));
  await close();
});
