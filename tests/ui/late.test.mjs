// An answer of the box may come when whoever waited for it has gone elsewhere: it takes neither the focus nor the front nor what is typed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, boxAndHost, dialog, endAll, givePassword, guest, hold, layoutIsKept, menu, openHost } from './hands.mjs';
import { ADA, command, type, until, visitor } from './world.mjs';

const there = boxAndHost();

/** What has the keys. */
const focus = (page) => page.evaluate(() => { const it = document.activeElement; return it?.getAttribute('aria-label') ?? it?.getAttribute('name') ?? it?.tagName; });
const home = async (page) => {
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.host-row').first().waitFor();
};

/** The page anew, with a list of terminals that does not look every five seconds. */
async function withoutLooks(page) {
  await page.addInitScript(() => {
    const real = window.setInterval.bind(window);
    window.setInterval = (run, ms, ...more) => (ms === 5000 ? 0 : real(run, ms, ...more));
  });
  await page.reload();
}

async function fromMenu(page, row, item) {
  await page.getByRole('button', { name: `More for ${row}` }).click();
  await page.getByRole('menuitem', { name: item }).click();
}

test('the tabs of before are back after a reload, though the box never heard of the last change', async () => {
  const { page, close } = await guest(there.box);
  await page.route('**/api/preferences', (route) => (route.request().method() === 'PUT' ? route.abort() : route.continue()));
  await openHost(page, 'bench');
  await page.keyboard.press('Control+Shift+E');
  await until(async () => (await page.locator('.pane[data-state="live"]').count()) === 2, 'two terminals');
  await page.reload();
  await until(async () => (await page.locator('.pane[data-state="live"]').count()) === 2, 'the layout is lost');
  // It goes to the box all the same; and what another device has changed since is newer.
  await page.unroute('**/api/preferences');
  const kept = async () => (await ask(page, 'GET', '/api/preferences')).preferences;
  await until(async () => (await kept()).layout?.tabs.length === 1, 'the box does not hear of it');
  const { layout, ...rest } = await kept();
  await ask(page, 'PUT', '/api/preferences', { preferences: { ...rest, layout: { ...layout, front: -1 }, changed: rest.changed + 1 } });
  await page.reload();
  await page.locator('.start').waitFor();
  await endAll(page);
  await close();
});

test('an older answer does not bring back what a newer one has taken away', async () => {
  const { page, close } = await guest(there.box);
  for (const label of ['one', 'two']) await ask(page, 'POST', '/api/hosts', { label, address: `${label}.example.org`, user: 'ada' });
  await page.reload();
  await home(page);
  const older = await hold(page, '**/api/hosts');
  for (const label of ['one', 'two']) {
    await fromMenu(page, label, 'Delete');
    await dialog(page).getByRole('button', { name: 'Delete', exact: true }).click();
    await older.asked();
  }
  await page.locator('.host-row', { hasText: 'two' }).waitFor({ state: 'detached' });
  await older.release();
  assert.equal(await page.locator('.host-row', { hasText: 'two' }).count(), 0, 'it is back');
  await close();
});

test('a list that is drawn anew leaves the focus where it was, and a menu gives it back to the new row', async () => {
  const { page, close } = await guest(there.box);
  await openHost(page, 'bench');
  await home(page);
  const end = page.locator('.live-row').getByRole('button', { name: 'End' });
  const name = await end.getAttribute('aria-label');
  const watched = page.locator('.live-row', { hasText: 'open in 2 windows' });
  await end.focus();
  // The focus is on what is drawn anew, because another browser looks on.
  await layoutIsKept(page);
  const other = await guest(there.box);
  await watched.waitFor();
  assert.equal(await focus(page), name);
  const more = page.getByRole('button', { name: 'More for bench' });
  await more.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem').first().waitFor();
  await other.close();
  await watched.waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');
  assert.equal(await focus(page), 'More for bench');
  // What had it is gone: the next has it.
  await end.focus();
  await endAll(page);
  await page.locator('.live-row').waitFor({ state: 'detached' });
  assert.notEqual(await focus(page), 'BODY');
  await close();
});

test('an Enter before the list is there opens nothing once its writer has gone elsewhere', async () => {
  const { page, close } = await guest(there.box);
  // Only the start page asks for it.
  const list = await hold(page, '**/api/credentials');
  await page.reload();
  await list.asked();
  await page.locator('.search-input').fill('bench');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Control+,');
  await dialog(page).waitFor();
  await list.release();
  assert.equal(await page.locator('.tab').count(), 1, 'a terminal is opened');
  assert.ok(await dialog(page).isVisible());
  await close();
});

test('after a reload the terminals of this page are not said to be open nowhere for longer than they are', async () => {
  const { page, close } = await guest(there.box);
  await openHost(page, 'bench');
  await home(page);
  // What tells the list is the terminal that is there again.
  await withoutLooks(page);
  await page.locator('.live-row', { hasText: 'open in 1 window' }).waitFor({ timeout: 15_000 });
  await endAll(page);
  await close();
});

test('a form that was given up takes nothing when its answer comes', async () => {
  const { page, close } = await guest(there.box);
  await home(page);
  const search = page.locator('.search-input');
  const saved = await hold(page, '**/api/hosts', 'POST');
  await page.getByRole('button', { name: 'Add host' }).click();
  await dialog(page).getByLabel('Address').fill('three.example.org');
  await dialog(page).getByLabel('User').fill('ada');
  await dialog(page).getByRole('button', { name: 'Save', exact: true }).click();
  await saved.asked();
  await page.keyboard.press('Escape');
  await search.fill('typed');
  await saved.release();
  await page.keyboard.type(' on');
  assert.equal(await search.inputValue(), 'typed on');
  await close();
});

test('a refused form leaves the keys to whoever types in another field', async () => {
  const { page, close } = await visitor(there.box);
  const name = page.locator('input[autocomplete="username"]');
  const refused = await hold(page, '**/api/login', 'POST');
  await name.fill('somebody');
  await page.locator('input[autocomplete="current-password"]').fill('not the password of ada');
  await page.keyboard.press('Enter');
  await refused.asked();
  await name.focus();
  await page.keyboard.press('End');
  await refused.release();
  await page.locator('.problem').waitFor();
  await page.keyboard.type('-else');
  assert.equal(await name.inputValue(), 'somebody-else');
  await close();
});

test('a sign-in that is answered after another page was opened leaves that page and what is typed there', async () => {
  const { page, close } = await visitor(there.box);
  const signedIn = await hold(page, '**/api/login', 'POST');
  await givePassword(page, ADA);
  await signedIn.asked();
  await page.evaluate(() => (location.hash = `#invite=${'x'.repeat(43)}`));
  const name = page.locator('input[name="name"]');
  await name.fill('grace');
  await signedIn.release();
  await page.keyboard.type('-h');
  assert.equal(await name.inputValue(), 'grace-h');
  await close();
});

test('what the page of before hears late does not sign out who is signing in', async () => {
  const { page, context, close } = await guest(there.box);
  await withoutLooks(page);
  await page.locator('.host-row').first().waitFor();
  await context.clearCookies();
  const late = await hold(page, '**/api/hosts');
  // A dialog that is closed asks for the lists; one of the answers is late.
  await page.getByRole('button', { name: 'Add host' }).click();
  await dialog(page).waitFor();
  await page.keyboard.press('Escape');
  const name = page.locator('input[autocomplete="username"]');
  await name.fill('ada');
  await late.release();
  await page.keyboard.type('-l');
  assert.equal(await name.inputValue(), 'ada-l');
  await close();
});

test('the palette is there at once: keys are its own, and what comes later changes neither the text nor the choice', async () => {
  const { page, close } = await guest(there.box);
  await openHost(page, 'bench');
  const running = await hold(page, '**/api/sessions');
  await page.keyboard.press('Control+Shift+P');
  await page.keyboard.type('b');
  const chosen = () => page.locator('.palette-row[aria-selected="true"]').innerText();
  const entries = () => page.locator('.palette-row').count();
  assert.equal(await page.locator('.palette input').inputValue(), 'b');
  await page.keyboard.press('ArrowDown');
  const [before, some] = [await chosen(), await entries()];
  await running.release();
  await until(async () => (await entries()) > some, 'the terminal that runs does not come');
  assert.equal(await chosen(), before);
  assert.equal(await focus(page), 'Commands');
  await page.keyboard.press('Escape');
  await endAll(page);
  await close();
});

test('a host that is added before the lists are there is offered what is stored when they come', async () => {
  const { page, close } = await guest(there.box);
  await home(page);
  const lists = await hold(page, '**/api/credentials');
  await page.reload();
  await lists.asked();
  await page.getByRole('button', { name: 'Add host' }).click();
  const address = dialog(page).getByLabel('Address');
  await address.fill('four.exam');
  await lists.release();
  const stored = dialog(page).getByLabel('Sign in with').locator('option', { hasText: 'test password' });
  await until(async () => (await stored.count()) === 1, 'nothing stored is offered');
  await page.keyboard.type('ple.org');
  assert.equal(await address.inputValue(), 'four.example.org');
  await page.keyboard.press('Escape');
  await close();
});

test('a question that comes late does not lie down over what somebody types', async () => {
  const { page, close } = await guest(there.box);
  await openHost(page, 'bench');
  const running = await hold(page, '**/api/sessions');
  await menu(page, 'Sign out');
  await running.asked();
  await page.locator('.pane.active .xterm-screen').click();
  await type(page, 'echo ty');
  await running.release();
  await command(page, 'ped-$((6*7))', 'typed-42');
  assert.equal(await page.locator('dialog[open]').count(), 0);
  await endAll(page);
  await close();
});
