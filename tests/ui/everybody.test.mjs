// For everybody: by keyboard alone, on a phone, with a screen reader's rules (axe), and every state that the documents show.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ACCOUNT, ADA, PHONE, answerPassword, axeSource, command, footbridge, leave, quickConnect, screen, seen, shot, signIn, sshd, type, until, visitor } from './world.mjs';

let box;
let server;

before(async () => {
  [box, server] = await Promise.all([footbridge({ FOOTBRIDGE_LOGIN_FAILURES: '1000' }), sshd({ shell: '/bin/bash' })]);
});
after(leave);

async function axe(page, where) {
  await page.evaluate(axeSource());
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => [where, id, nodes.map((node) => node.html.slice(0, 160))]), []);
}

async function fill(page) {
  await page.evaluate(async ({ port, password }) => {
    const { csrf } = await (await fetch('/api/state')).json();
    const headers = { 'Content-Type': 'application/json', 'X-Footbridge-Csrf': csrf };
    const post = async (path, body) => (await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })).json();
    const { id } = await post('/api/credentials', { label: 'garage password', kind: 'password', password, address: '127.0.0.1', port });
    await post('/api/credentials', { label: 'laptop key', kind: 'generate' });
    const names = ['garage', 'router', 'nas', 'attic pi', 'build box', 'mail', 'web', 'backup', 'camera hub', 'weather', 'printer', 'lab 1', 'lab 2', 'lab 3', 'jump'];
    const colours = ['teal', 'orange', '', 'blue', 'purple', '', 'red', '', 'green', 'yellow', '', 'pink', '', '', ''];
    for (const [at, label] of names.entries()) await post('/api/hosts', { label, address: at === 0 ? '127.0.0.1' : `192.168.1.${at + 10}`, port: at === 0 ? port : 22, user: at === 0 ? 'fbtest' : 'root', credential_id: at === 0 ? id : null, tags: at < 5 ? ['home'] : ['work'], favourite: at < 2, colour: colours[at], notes: at === 1 ? 'behind the shelf' : '' });
  }, { port: server.port, password: ACCOUNT.password });
}

const focused = (page) => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent);

/** Neither a second Enter, nor the habit of typing "yes", nor a look at another tab: the fingerprint is read first. */
async function nothingIsTrusted(page) {
  const isFirst = async (when) => assert.ok((await focused(page)).endsWith(server.fingerprint), `${when}: ${await focused(page)}`);
  await isFirst('at first');
  for (const key of ['Enter', 'Space', 'Enter']) await page.keyboard.press(key);
  await page.keyboard.type('yes\n');
  await page.keyboard.press('Control+Shift+H');
  await page.keyboard.press('Alt+Shift+ArrowRight');
  await isFirst('after another tab');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'No, do not connect');
  await page.keyboard.press('Shift+Tab');
  const { sessions } = await page.evaluate(async () => (await fetch('/api/sessions')).json());
  assert.deepEqual(sessions.map(({ state }) => state), ['asking']);
  assert.equal(await page.locator('.question .fingerprint').count(), 1, 'it is still asked');
}

test('claim, host, fingerprint, password and a command, by keyboard alone', async () => {
  const { page, close } = await visitor(box);
  await page.getByLabel(/code/i).first().waitFor();
  await axe(page, 'claim');
  await page.keyboard.type(box.code);
  for (let steps = 0; steps < 12; steps += 1) {
    await page.keyboard.press('Tab');
    const field = await page.evaluate(() => ({ name: document.activeElement.getAttribute('autocomplete'), tag: document.activeElement.tagName }));
    if (field.tag !== 'INPUT') continue;
    if (field.name === 'username') await page.keyboard.type(ADA.name);
    if (field.name !== 'new-password') continue;
    await page.keyboard.type(ADA.password);
    break;
  }
  await page.keyboard.press('Enter');
  await page.locator('.work').waitFor();
  await until(async () => page.evaluate(() => document.activeElement.matches('.start input')), 'the field for a host has the focus');
  await page.keyboard.type(`${ACCOUNT.user}@127.0.0.1:${server.port}`);
  await page.keyboard.press('Enter');
  await page.locator('.question').waitFor();
  await axe(page, 'fingerprint');
  await until(async () => page.evaluate(() => document.activeElement.closest('.question') !== null), 'the question has the focus');
  await nothingIsTrusted(page);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'Yes, trust and connect');
  await page.keyboard.press('Enter');
  await page.locator('.question input[type="password"]').waitFor();
  await axe(page, 'password');
  await until(async () => page.evaluate(() => document.activeElement.type === 'password'), 'the field has the focus');
  await page.keyboard.type(ACCOUNT.password);
  await page.keyboard.press('Enter');
  await seen(page, '$');
  await command(page, 'echo by-$((40+2))-keys', 'by-42-keys');
  await axe(page, 'terminal');
  await close();
});

test('empty, full and failing, in light and dark, wide and on a phone, without a serious finding', async () => {
  for (const [size, viewport] of [['wide', undefined], ['phone', PHONE]]) {
    for (const colorScheme of ['light', 'dark']) {
      const { page, context, trouble } = await visitor(box, { ...(viewport ? { viewport, hasTouch: true, isMobile: true } : {}), colorScheme });
      await page.locator('input[autocomplete="username"]').waitFor();
      await shot(page, `signin-${size}-${colorScheme}`);
      await axe(page, `sign-in ${size} ${colorScheme}`);
      await page.locator('input[autocomplete="username"]').fill(ADA.name);
      await page.locator('input[autocomplete="current-password"]').fill('not the right one');
      await page.keyboard.press('Enter');
      await page.getByRole('alert').first().waitFor();
      if (colorScheme === 'dark') await shot(page, `signin-refused-${size}`);
      await signIn(page);
      await page.keyboard.press('Control+Shift+H');
      await page.locator('.start input').first().waitFor();
      if (size === 'wide' && colorScheme === 'light') await fill(page);
      await page.reload();
      await page.locator('.work').waitFor();
      await page.keyboard.press('Control+Shift+H');
      await page.getByText('weather').first().waitFor();
      await shot(page, `hosts-${size}-${colorScheme}`);
      await axe(page, `hosts ${size} ${colorScheme}`);
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(sideways, 0, `nothing hangs over the edge: ${size}`);
      assert.deepEqual(trouble, []);
      await context.close();
    }
  }
});

test('a phone has the keys that its keyboard lacks, and a line to compose in', async () => {
  const { page, close } = await visitor(box, { viewport: PHONE, hasTouch: true, isMobile: true });
  await signIn(page);
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.start input').first().fill('garage');
  await page.keyboard.press('Enter');
  await seen(page, '$');
  const bar = page.locator('.touch-bar');
  await bar.waitFor();
  for (const key of await bar.locator('.touch-key:visible').all()) assert.ok((await key.boundingBox()).height >= 44, 'a finger finds it');
  await bar.getByRole('button', { name: 'Tab', exact: true }).tap();
  await type(page, 'sleep 50\n');
  await page.waitForTimeout(200);
  await bar.getByRole('button', { name: 'Control' }).tap();
  assert.equal(await bar.getByRole('button', { name: 'Control' }).getAttribute('aria-pressed'), 'true');
  await type(page, 'c');
  await command(page, 'echo after-$((9*9))', 'after-81');
  await bar.getByRole('button', { name: 'Up', exact: true }).tap();
  await page.keyboard.press('Enter');
  await until(async () => (await screen(page)).split('after-81').length > 2, 'the last command again');
  await bar.getByRole('button', { name: 'Compose a line' }).tap();
  await page.locator('.compose textarea').fill('echo composed-$((6*6))');
  await page.locator('.compose .button').tap();
  await seen(page, 'composed-36');
  await shot(page, 'phone-terminal');
  await axe(page, 'phone terminal');
  const zoom = await page.evaluate(() => [...document.querySelectorAll('input, textarea:not(.xterm-helper-textarea), select')].filter((field) => field.offsetParent && parseFloat(getComputedStyle(field).fontSize) < 16).length);
  assert.equal(zoom, 0, 'no field is so small that a phone zooms');
  await close();
});

/** A finger, as the browser gets it from the glass. */
async function finger(page) {
  const glass = await page.context().newCDPSession(page);
  const send = (type, at) => glass.send('Input.dispatchTouchEvent', { type, touchPoints: at ? [{ x: at.x, y: at.y }] : [] });
  return { down: (at) => send('touchStart', at), move: (at) => send('touchMove', at), up: () => send('touchEnd') };
}

/** The middle of the first character of a text on the screen, or of the last. */
function middleOf(page, text, last = false) {
  return page.evaluate(([text, last]) => {
    const row = [...document.querySelectorAll('.pane.active .xterm-rows > div')].findLast((each) => each.textContent.includes(text));
    const range = document.createRange();
    const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
    let at = row.textContent.indexOf(text) + (last ? text.length - 1 : 0);
    while (walker.nextNode() && at >= walker.currentNode.length) at -= walker.currentNode.length;
    range.setStart(walker.currentNode, at);
    range.setEnd(walker.currentNode, at + 1);
    const { left, top, width, height } = range.getBoundingClientRect();
    return { x: left + width / 2, y: top + height / 2 };
  }, [text, last]);
}

test('a finger held on a word selects it, handles change it, and the bar copies it', async () => {
  const { page, close, context } = await visitor(box, { viewport: PHONE, hasTouch: true, isMobile: true });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await signIn(page);
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.start input').first().fill('garage');
  await page.keyboard.press('Enter');
  await seen(page, '$');
  await command(page, 'clear; echo; echo; echo; echo; echo one /srv/two-$((1+1))/three.txt four; echo and five', 'two-2/three.txt');
  await seen(page, /^and five$/m);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  const touch = await finger(page);
  const bar = page.getByRole('toolbar', { name: 'Selection' });

  // A finger that moves at once scrolls: nothing is selected.
  await touch.down(await middleOf(page, 'two-2'));
  await touch.move({ x: 200, y: 400 });
  await page.waitForTimeout(800);
  await touch.up();
  assert.equal(await bar.isVisible(), false);

  await touch.down(await middleOf(page, 'two-2'));
  await bar.waitFor();
  await touch.up();
  await shot(page, 'phone-selection');
  await axe(page, 'phone selection');
  for (const button of await bar.getByRole('button').all()) assert.ok((await button.boundingBox()).height >= 44, 'a finger finds it');
  const box_ = await bar.boundingBox();
  assert.ok(box_.x >= 0 && box_.x + box_.width <= PHONE.width, 'the bar is whole on a phone');
  await bar.getByRole('button', { name: 'Copy' }).tap();
  await until(async () => (await clipboard()) === '/srv/two-2/three.txt', 'the word is copied');
  await bar.waitFor({ state: 'hidden' });

  // Held and dragged on, over the end of the line.
  await touch.down(await middleOf(page, 'two-2'));
  await bar.waitFor();
  await touch.move(await middleOf(page, 'and five', true));
  await touch.up();
  // Then its left handle is drawn to the beginning of the line.
  const at = (which) => page.locator(`.pane.active .touch-handle.${which}`).boundingBox();
  await until(async () => (await at('to')).y > (await at('from')).y, 'the handles are where the selection is');
  const handle = await at('from');
  const from = { x: handle.x + handle.width / 2 - 8, y: handle.y + 10 };
  const to = await middleOf(page, 'one /srv');
  await touch.down(from);
  await touch.move({ x: to.x + 40, y: from.y });
  await touch.move({ x: to.x, y: from.y });
  await touch.up();
  // The key bar's own button copies too, and the selection is still there for it.
  const copies = page.locator('.touch-bar').getByRole('button', { name: 'Copy' });
  await copies.scrollIntoViewIfNeeded();
  // A tap on keys that still roll stops them, and is no press.
  await until(async () => {
    await copies.tap();
    await page.waitForTimeout(200);
    return (await clipboard()) !== '/srv/two-2/three.txt';
  }, 'the key bar copies');
  assert.equal((await clipboard()).replace(/ +$/gm, ''), 'one /srv/two-2/three.txt four\nand five');
  // A tap elsewhere ends it.
  await touch.down({ x: 300, y: 500 });
  await touch.up();
  await bar.waitFor({ state: 'hidden' });
  await close();
});

test('a changed host key is refused by default', async () => {
  await (async () => {
    server.newKey();
    await server.restart();
  })();
  const { page, close } = await visitor(box);
  await signIn(page);
  await page.keyboard.press('Control+Shift+H');
  await quickConnect(page, server.port);
  const panel = page.locator('.question.danger');
  await panel.waitFor();
  assert.ok((await panel.innerText()).includes(server.fingerprint));
  await shot(page, 'changed-key');
  await axe(page, 'changed key');
  await until(async () => page.evaluate(() => document.activeElement.textContent.startsWith('No')), 'the safe answer has the focus');
  await page.keyboard.press('Enter');
  await page.locator('.pane-bar[data-kind="danger"]').waitFor();
  await shot(page, 'refused');
  await page.keyboard.press('Enter');
  await page.locator('.question.danger').waitFor();
  await page.locator('.question.danger .button.danger').click();
  // B8: who sits here proves it, and a wrong proof leaves the question where it is.
  const proof = page.locator('dialog[open] input[name="proof"]');
  const replace = page.locator('dialog[open] .button.danger');
  await proof.fill('not the password at all');
  await replace.click();
  await page.getByText('Nothing was changed').waitFor();
  await shot(page, 'changed-key-proof');
  await proof.fill(ADA.password);
  await replace.click();
  await answerPassword(page);
  await seen(page, '$');
  await close();
});

/** The list of host keys, as a person opens it on the start page. */
async function openHostKeys(page) {
  await page.keyboard.press('Control+Shift+H');
  await page.getByRole('button', { name: 'More' }).first().click();
  await page.getByRole('menuitem', { name: 'Trusted host keys' }).click();
  await page.locator('dialog[open] .key-row').first().waitFor();
}

test('a pin against a trusted host key and the end of one want a proof, a first pin none', async () => {
  const { page, close } = await visitor(box);
  await signIn(page);
  await openHostKeys(page);
  const rows = page.locator('dialog[open] .key-row');
  const before = await rows.count();
  const proof = page.locator('dialog[open] input[name="proof"]');
  const pin = async (address, letter) => {
    await page.locator('dialog[open]').getByRole('button', { name: 'Pin a fingerprint' }).click();
    await page.locator('dialog[open] input[name="address"]').fill(address);
    await page.locator('dialog[open] input[name="fingerprint"]').fill(`SHA256:${letter.repeat(43)}`);
    await page.locator('dialog[open]').getByRole('button', { name: 'Pin', exact: true }).click();
  };
  await pin('pinned.example', 'A');
  await until(async () => (await rows.count()) === before + 1, 'the first pin, without a question');
  assert.equal(await proof.count(), 0);

  await pin('pinned.example', 'B');
  await proof.waitFor();
  assert.match(await page.locator('dialog[open]').last().innerText(), /pinned\.example.*SHA256:B{43}/s, 'it says which key');
  await axe(page, 'a pin against a trusted key');
  await shot(page, 'pin-proof');
  await proof.fill('not the password at all');
  await page.locator('dialog[open] .button.danger').click();
  await page.getByText('Nothing was changed').waitFor();
  assert.equal(await rows.count(), before + 1);
  await proof.fill(ADA.password);
  await page.locator('dialog[open] .button.danger').click();
  await until(async () => (await rows.count()) === before + 2, 'the second pin, with a proof');

  // Thought better of it: the pin's own dialog is still there.
  await pin('pinned.example', 'C');
  await proof.waitFor();
  await page.keyboard.press('Escape');
  await proof.waitFor({ state: 'detached' });
  assert.equal(await page.locator('dialog[open] input[name="fingerprint"]').count(), 1);
  await page.keyboard.press('Escape');
  assert.equal(await rows.count(), before + 2);

  // Lines of known_hosts: another key in place of a fingerprint that is pinned.
  await page.locator('dialog[open]').getByRole('button', { name: 'Paste known_hosts' }).click();
  await page.locator('#known-hosts').fill('pinned.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG1N6dzbPpgjmvzCqlLo0Zk6bi3qd2vSqMBtd1Uj5dc9');
  await page.locator('dialog[open]').getByRole('button', { name: 'Trust these keys' }).click();
  await proof.fill(ADA.password);
  await page.locator('dialog[open] .button.danger').click();
  await until(async () => (await rows.count()) === before + 3, 'the pasted one, with a proof');

  for (const left of [2, 1, 0]) {
    await page.getByRole('button', { name: 'Forget the key of pinned.example' }).first().click();
    await proof.fill(ADA.password);
    await page.locator('dialog[open] .button.danger').click();
    await until(async () => (await rows.count()) === before + left, `${left} are left`);
  }
  await close();
});

/** Each of these cannot be connected to, and the bar says why. */
async function areRefused(page, refusals, picture) {
  for (const [target, words] of refusals) {
    await page.keyboard.press('Control+Shift+H');
    await page.locator('.start input').first().fill(target);
    await page.keyboard.press('Enter');
    const bar = page.locator('.pane.active .pane-bar[data-kind="danger"]');
    await bar.waitFor({ timeout: 30_000 });
    assert.match(await bar.innerText(), words, target);
  }
  await shot(page, picture);
}

test('errors say what failed and what to do', async () => {
  const { page, close } = await visitor(box);
  await signIn(page);
  await areRefused(page, [['nobody@no-such-host.invalid', /name/i], ['nobody@127.0.0.1:1', /refuses/i], ['nobody@169.254.1.1', /not allowed|denied|policy/i]], 'failed');
  await close();
});

test('another language says all of it', async () => {
  const { page, close } = await visitor(box, { locale: 'de-DE' });
  await page.getByRole('button', { name: 'Anmelden' }).first().waitFor();
  await signIn(page);
  await page.keyboard.press('Control+Shift+H');
  await page.getByText('weather').first().waitFor();
  await shot(page, 'hosts-german');
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'de');
  await close();
});

test('what the box refuses is said in the language of the person', async () => {
  const { page, close } = await visitor(box, { locale: 'de-DE' });
  await signIn(page);
  const refusals = [
    ['nobody@169.254.1.1', /Zu 169\.254\.1\.1 verbindet diese Box nicht\.[^]*targets_allow erlauben/],
    ['nobody@127.0.0.1:1', /127\.0\.0\.1.* Port 1 weist die Verbindung ab\.[^]*Prüfe, ob dort ein SSH-Server läuft/],
  ];
  await areRefused(page, refusals, 'failed-german');
  await close();
});
