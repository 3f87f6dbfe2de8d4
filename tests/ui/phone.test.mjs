// On a phone, in the longer of the two languages: what is said can be read, what is pressed lies at the foot and is not covered, and every
// terminal is found again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, boxAndHost, dialog, endAll, guest, manyHosts, menu, openHost } from './hands.mjs';
import { PHONE, acceptHostKey, network, quickConnect, seen, shot, signIn, sshd, type, until, visitor } from './world.mjs';

const there = boxAndHost({ FOOTBRIDGE_TERMINALS_PER_USER: '20' });
const german = { locale: 'de-DE', viewport: PHONE, hasTouch: true, isMobile: true };

/** What is cut off, of all that is meant to be read. */
function cut(page, where) {
  return page.evaluate((where) => [...document.querySelectorAll(where)].filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent), where);
}

async function split(page, words) {
  await menu(page, words);
  await until(async () => (await page.locator('.group .pane').count()) === 2, 'two panes');
  await page.locator('.pane.active[data-state="live"]').waitFor();
}

test('a question lies at the foot, and a word in passing does not cover it', async () => {
  const { page, close } = await guest(there.box, german);
  await openHost(page, 'bench');
  await page.keyboard.press('Control+Shift+X');
  const question = await dialog(page).boundingBox();
  assert.ok(question.height < PHONE.height / 2, `${question.height}`);
  assert.ok(Math.abs(question.y + question.height - PHONE.height) <= 1, 'its foot is the foot of the screen');
  await accessible(page, 'closing');
  await shot(page, 'phone-closing');
  await page.keyboard.press('Escape');
  await type(page, "printf '\\033]52;c;aGk=\\007'\n");
  const word = page.locator('.toast');
  await word.waitFor();
  const said = await word.boundingBox();
  assert.ok(said.y > 118 && said.y + said.height < PHONE.height / 2, `below the bar of a lost connection, above what is pressed: ${JSON.stringify(said)}`);
  await close();
});

test('nothing of a row or of a warning is cut off', async () => {
  const net = await network(there.box);
  const { page, close } = await visitor({ url: net.url }, german);
  await signIn(page);
  await openHost(page, 'bench');
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.live-row').first().waitFor();
  assert.deepEqual(await cut(page, '.start .row-sub > span'), []);
  await page.locator('.search-input').fill('somebody@long-name.example.org:45883');
  await page.locator('.quick-row').waitFor();
  await shot(page, 'phone-quick');
  assert.deepEqual(await cut(page, '.quick-row .row-title, .quick-row .button'), []);
  // A select does not say that it cuts its words off.
  assert.ok((await page.locator('.quick-credential').boundingBox()).width > 180);
  await page.locator('.search-input').fill('');
  await page.locator('.start-head .button.primary').tap();
  await dialog(page).locator('.host-form').waitFor();
  assert.equal((await dialog(page).boundingBox()).width, PHONE.width, 'a form is as wide as the screen');
  await page.keyboard.press('Escape');
  net.down();
  const warning = page.locator('.start-banner .alert');
  await warning.waitFor({ timeout: 20_000 });
  await shot(page, 'phone-unreachable');
  assert.ok((await warning.locator('> div').boundingBox()).width > 250, 'its words have the whole width');
  await close();
  net.close();
});

test('every pane and tab is found again, and the way to the hosts', async () => {
  const { page, close } = await guest(there.box, german);
  await openHost(page, 'bench');
  await type(page, 'echo pane-$((0+1))\n');
  await seen(page, 'pane-1');
  await split(page, 'Nebeneinander teilen');
  await type(page, 'echo pane-$((1+1))\n');
  await seen(page, 'pane-2');
  await menu(page, 'Nächstes Fenster');
  await seen(page, 'pane-1');
  for (let more = 0; more < 2; more += 1) await openHost(page, 'bench');
  const strip = await page.locator('.tabs').boundingBox();
  const home = await page.locator('.tab.home').boundingBox();
  assert.ok(Math.abs(home.x - strip.x) <= 1, `the way to the hosts stays in sight: ${home.x}`);
  const left = () => page.evaluate(() => document.querySelector('.tab:not(.home)').getBoundingClientRect().left);
  assert.ok(await left() < home.x + home.width, 'the strip has moved');
  await page.locator('.tab.home').tap();
  await page.locator('.search-input').waitFor();
  assert.ok(await left() >= home.x + home.width, 'beside the hosts, the first tab is whole');
  await page.locator('.work-tools button:not([aria-haspopup]):visible').last().tap();
  await page.locator('.palette-row').first().waitFor();
  const [first] = await page.locator('.palette-label').allInnerTexts();
  assert.equal(first, 'bench', 'a terminal has its host\'s name');
  assert.ok((await page.locator('.palette-list').boundingBox()).height > 440, 'and the list the whole screen');
  await shot(page, 'phone-palette');
  await page.keyboard.press('Escape');
  await close();
});

/** Smaller on purpose, each for its reason. */
const SMALLER = {
  '.xterm textarea': 'unseen; the screen around it is what is tapped',
};

/** What a finger finds of each thing that can be pressed: as far as the page answers with it, or with its label, around its middle. */
function small(page, smaller) {
  return page.evaluate((smaller) => {
    const SIZE = 44;
    const within = document.querySelector('[role="menu"]:popover-open') ?? [...document.querySelectorAll('dialog[open]')].pop() ?? document.body;
    const all = [...within.querySelectorAll('a[href], button, input, select, textarea, summary, [role="button"], [role="option"], [role="menuitem"], [tabindex="0"]')];
    return all.filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && !smaller.some((where) => one.matches(where))).flatMap((one) => {
      const target = (['checkbox', 'radio'].includes(one.type) && one.labels[0]) || one;
      target.scrollIntoView({ block: 'center', inline: 'center' });
      const { left, top, width, height } = target.getBoundingClientRect();
      const [x, y] = [left + width / 2, top + height / 2];
      const hit = (dx, dy) => target.contains(document.elementFromPoint(x + dx, y + dy));
      const reach = (dx, dy) => {
        let far = 0;
        while (far < SIZE && hit(dx * (far + 1), dy * (far + 1))) far += 1;
        return far;
      };
      const found = hit(0, 0) ? [reach(-1, 0) + reach(1, 0) + 1, reach(0, -1) + reach(0, 1) + 1] : [0, 0];
      return Math.min(...found) >= SIZE - 1 ? [] : [`${one.tagName.toLowerCase()}.${one.className} "${(one.getAttribute('aria-label') ?? one.textContent).slice(0, 40)}" ${found.join(' x ')} of ${Math.round(width)} x ${Math.round(height)}`];
    });
  }, Object.keys(smaller));
}

test('whatever can be pressed is large enough for a finger', async () => {
  const { page, close } = await visitor(there.box, { ...german, locale: 'en-US' });
  const bad = {};
  const met = new Set();
  const measure = async (where) => {
    const found = await small(page, SMALLER);
    if (found.length > 0) bad[where] = found;
    for (const one of Object.keys(SMALLER)) if (await page.locator(one).count()) met.add(one);
  };
  await page.locator('input[autocomplete="username"]').waitFor();
  await measure('sign-in');
  await signIn(page);
  await endAll(page);
  await manyHosts(page);
  await page.reload();
  await page.locator('.host-row').nth(9).waitFor();
  await measure('hosts');
  await page.locator('.search-input').fill('somebody@10.0.0.1:2222');
  await page.locator('.quick-row').waitFor();
  await measure('quick connect');
  await page.locator('.search-input').fill('');
  await page.locator('.start-head .button.primary').tap();
  await dialog(page).locator('.host-form').waitFor();
  await measure('a new host');
  await page.keyboard.press('Escape');
  await page.locator('.host-row [aria-haspopup="menu"]').first().tap();
  await page.locator('.menu-item').first().waitFor();
  await measure('the menu of a host');
  await page.keyboard.press('Escape');
  for (const [name, there] of [['Keys and passwords', '.key-row'], ['Host keys', '.key-row'], ['Settings', '.settings'], ['Keys', '.help'], ['Your account', '.activity'], ['People', '.list-row'], ['Audit', 'table.audit']]) {
    await menu(page, name);
    await dialog(page).locator(there).first().waitFor();
    await measure(name);
    await page.keyboard.press('Escape');
    await page.locator('dialog[open]').waitFor({ state: 'detached' });
  }
  await openHost(page, 'bench');
  await split(page, 'Split side by side');
  await menu(page, 'Broadcast typing to all panes');
  await menu(page, 'Find in the scrollback');
  await measure('a terminal, with all that lies around it');
  await page.locator('.work-tools [aria-haspopup="menu"]').tap();
  await page.locator('.menu-item').first().waitFor();
  await measure('the menu');
  await page.keyboard.press('Escape');
  await menu(page, 'Broadcast typing to all panes');
  await page.locator('.tab.active .tab-close').tap();
  await dialog(page).waitFor();
  await measure('closing');
  await page.keyboard.press('Escape');
  await page.locator('.work-tools button:not([aria-haspopup]):visible').last().tap();
  await page.locator('.palette-row').first().waitFor();
  await measure('the palette');
  await page.keyboard.press('Escape');
  const stranger = await sshd();
  await page.locator('.tab.home .tab-face').tap();
  await quickConnect(page, stranger.port);
  await page.locator('.pane.active .question').waitFor();
  await measure('the question about a host key');
  await acceptHostKey(page);
  await page.locator('.question input[type="password"]').waitFor();
  await measure('the question for a password');
  await page.getByRole('button', { name: 'Cancel' }).tap();
  await page.locator('.pane-bar[data-kind="danger"]').waitFor();
  await measure('after the end');
  assert.deepEqual(bad, {});
  assert.deepEqual([...met], Object.keys(SMALLER), 'an exception that nothing needs');
  await close();
});
