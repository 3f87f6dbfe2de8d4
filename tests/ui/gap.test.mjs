// More was printed while nobody looked than the box keeps: the page says how much is gone, and full-screen programs are drawn anew.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { guest, openHost, readyHost } from './hands.mjs';
import { claimed, closeBrowser, footbridge, network, screen, seen, signIn, sshd, type, until, visitor } from './world.mjs';

let box;
let server;

before(async () => {
  [box, server] = await Promise.all([footbridge(), sshd()]);
  await claimed(box);
  const { page, close } = await guest(box);
  await readyHost(page, server);
  await close();
});
after(async () => {
  await closeBrowser();
  await Promise.all([box.close(), server.close()]);
});

for (const [name, program, shown] of [['vim', 'vim.tiny -u NONE /tmp/gap-$$ || vi /tmp/gap-$$', /^poem line 1$/m], ['less', 'less -P gap-prompt /tmp/gap-$$', /^poem line 1$/m]]) {
  test(`${name} looks right after a gap`, async () => {
    const net = await network(box);
    const { page, close } = await visitor({ url: net.url });
    await signIn(page);
    await openHost(page, 'bench');
    await type(page, `seq -f 'poem line %g' 1 300 > /tmp/gap-$$; sleep 2; seq 1 200000; ${program}\n`);
    await page.waitForTimeout(300);
    net.down();
    await page.locator('.pane-bar', { hasText: 'Connection lost' }).waitFor();
    // The box is asked directly: the program has begun when output stopped growing.
    const other = await guest(box);
    const offset = () => other.page.evaluate(async () => (await (await fetch('/api/sessions')).json()).sessions.find(({ state }) => state === 'live')?.end_offset ?? 0);
    await until(async () => (await offset()) > 1_200_000, 'the host prints on while nobody looks');
    let last = 0;
    await until(async () => { const now = await offset(); const still = now === last; last = now; await page.waitForTimeout(250); return still; }, 'it is drawn');
    await other.close();
    net.up();
    await page.evaluate(() => window.dispatchEvent(new Event('online')));
    await seen(page, shown);
    await page.waitForTimeout(600);
    const rows = (await screen(page)).split('\n');
    assert.equal(rows[0], 'poem line 1', rows.join('\n'));
    assert.equal(rows[19], 'poem line 20', rows.join('\n'));
    assert.ok(!rows.some((row) => /^\d+$/.test(row)), 'nothing of what was printed before is left on the screen');
    await type(page, name === 'vim' ? ':q!\n' : 'q');
    await seen(page, '$');
    await type(page, 'exit\n');
    await page.locator('.pane-bar[data-kind="ok"]').waitFor();
    await close();
    net.close();
  });
}
