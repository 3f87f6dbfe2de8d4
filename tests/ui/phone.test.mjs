// On a phone, in the longer of the two languages: what is said can be read, what is pressed lies at the foot and is not covered, and every
// terminal is found again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, boxAndHost, dialog, guest, menu, openHost } from './hands.mjs';
import { PHONE, network, seen, shot, signIn, type, until, visitor } from './world.mjs';

const there = boxAndHost({ FOOTBRIDGE_TERMINALS_PER_USER: '20' });
const german = { locale: 'de-DE', viewport: PHONE, hasTouch: true, isMobile: true };

/** What is cut off, of all that is meant to be read. */
function cut(page, where) {
  return page.evaluate((where) => [...document.querySelectorAll(where)].filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent), where);
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
  await menu(page, 'Nebeneinander teilen');
  await until(async () => (await page.locator('.group .pane').count()) === 2, 'two panes');
  await page.locator('.pane.active[data-state="live"]').waitFor();
  await type(page, 'echo pane-$((1+1))\n');
  await seen(page, 'pane-2');
  await menu(page, 'Nächstes Fenster');
  await seen(page, 'pane-1');
  for (let more = 0; more < 2; more += 1) await openHost(page, 'bench');
  const strip = await page.locator('.tabs').boundingBox();
  const home = await page.locator('.tab.home').boundingBox();
  assert.ok(Math.abs(home.x - strip.x) <= 1, `the way to the hosts stays in sight: ${home.x}`);
  await page.locator('.work-tools button:not([aria-haspopup]):visible').last().tap();
  await page.locator('.palette-row').first().waitFor();
  const [first] = await page.locator('.palette-label').allInnerTexts();
  assert.equal(first, 'bench', 'a terminal has its host\'s name');
  assert.ok((await page.locator('.palette-list').boundingBox()).height > 440, 'and the list the whole screen');
  await shot(page, 'phone-palette');
  await page.keyboard.press('Escape');
  await close();
});
