// "Lock now": the page takes off what it shows at once, and says that it is locked only when the box has said so. And when each key was last used.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { accessible, ask, boxAndHost, dialog, guest, hold, menu, openHost } from './hands.mjs';
import { ADA, PHONE, command, leave, network, shot, signIn, visitor } from './world.mjs';

const there = boxAndHost();
after(leave);

const LOCKED = 'Your vault is locked.';

/** Nothing of a terminal is on the page. */
async function nothingIsShown(page) {
  assert.equal(await page.locator('.pane, .work, .xterm').count(), 0);
  assert.equal(await page.title(), 'Footbridge');
}

/** What was typed there is there again, and the same shell answers. */
async function isThereAgain(page) {
  await page.locator('.pane.active[data-state="live"]').waitFor();
  await command(page, 'echo again-$WHERE', 'again-still');
}

test('a key ends every browser of its owner, the page says so with their name, and the terminal goes on', async () => {
  const [here, other] = [await guest(there.box), await guest(there.box)];
  const { page } = here;
  await openHost(page, 'bench');
  await command(page, 'WHERE=still; echo set-$((40+2))', 'set-42');
  await page.keyboard.press('Control+Shift+L');
  await page.getByText(LOCKED).waitFor();
  await nothingIsShown(page);
  assert.match(await page.locator('.alert').innerText(), /Terminals that ran go on/);
  assert.equal(await page.locator('input[autocomplete="username"]').inputValue(), ADA.name);
  assert.equal(await page.evaluate(() => document.activeElement.autocomplete), 'current-password');
  await accessible(page, 'the sign-in page of a locked vault');
  await shot(page, 'locked-dark-wide');
  // Elsewhere the next thing that is asked for says that nobody is signed in.
  await other.page.reload();
  await other.page.locator('input[autocomplete="username"]').waitFor();
  assert.equal(await other.page.getByText(LOCKED).count(), 0, 'it was not asked for there');
  await page.keyboard.type(ADA.password);
  await page.keyboard.press('Enter');
  await isThereAgain(page);
  await page.getByText(LOCKED).waitFor({ state: 'detached' });
  await here.close();
  await other.close();
});

test('a browser that was signed out from another says so, until somebody signs in', async () => {
  const [here, other] = [await guest(there.box), await guest(there.box, { locale: 'de-DE' })];
  const { logins } = await ask(here.page, 'GET', '/api/logins');
  const { id } = (await ask(other.page, 'GET', '/api/logins')).logins.find(({ current }) => current);
  assert.ok(logins.some((login) => login.id === id && !login.current));
  await other.page.locator('.pane.active[data-state="live"]').waitFor();
  const late = await hold(other.page, '**/api/sessions/*/ticket', 'POST');
  await ask(here.page, 'DELETE', `/api/logins/${id}`);
  // Its terminal lets go at once, and the page hears why with the next thing that it asks for.
  await late.asked();
  await menu(other.page, 'Schlüssel und Passwörter');
  const word = other.page.getByRole('alert').getByText('Deine Anmeldung wurde von einem anderen Browser aus beendet.');
  await word.waitFor();
  const name = other.page.locator('input[autocomplete="username"]');
  await name.fill('ad');
  await late.release();
  await shot(other.page, 'ended-de-dark-wide');
  assert.equal(await name.inputValue(), 'ad', 'a late answer takes nothing from whoever types');
  await accessible(other.page, 'the sign-in page that says why');
  await signIn(other.page);
  await menu(other.page, 'Abmelden');
  await other.page.getByRole('button', { name: 'Abmelden' }).last().click();
  await other.page.locator('input[autocomplete="username"]').waitFor();
  assert.equal(await word.count(), 0, 'who signs out knows why');
  await here.close();
  await other.close();
});

test('by the menu and by the palette, and over a dialog by the key', async () => {
  const { page, close } = await guest(there.box);
  await menu(page, 'Lock now');
  await page.getByText(LOCKED).waitFor();
  await signIn(page);
  await page.keyboard.press('Control+Shift+P');
  await page.locator('.palette-row', { hasText: 'Lock now' }).getByText('Ctrl+Shift+L').waitFor();
  await page.keyboard.type('lock now');
  await page.keyboard.press('Enter');
  await page.getByText(LOCKED).waitFor();
  await signIn(page);
  await page.keyboard.press('Control+,');
  await dialog(page).waitFor();
  await page.keyboard.press('Control+Shift+L');
  await page.getByText(LOCKED).waitFor();
  assert.equal(await page.locator('dialog[open]').count(), 0);
  await close();
});

test('a box that is not reached: nothing is pretended, nothing is shown, and it goes on asking', async () => {
  const net = await network(there.box);
  const { page, close } = await visitor({ url: net.url });
  await signIn(page);
  await page.locator('.pane.active[data-state="live"]').waitFor();
  await isThereAgain(page);
  net.down();
  await page.keyboard.press('Control+Shift+L');
  // An Enter that was meant for the terminal gives nothing up.
  await page.keyboard.press('Enter');
  await page.getByText('Not locked', { exact: true }).waitFor();
  await nothingIsShown(page);
  assert.equal(await page.getByText(LOCKED).count(), 0);
  assert.match(await page.locator('.alert').innerText(), /cannot be reached.*your sign-ins are open.*goes on asking/s);
  await accessible(page, 'a lock that was not heard');
  await shot(page, 'not-locked-dark-wide');
  // Whoever gives it up has their terminals again, and nobody was signed out.
  net.up();
  net.down();
  await page.getByRole('button', { name: 'Do not lock' }).click();
  await page.getByText(/cannot be reached/i).first().waitFor();
  net.up();
  await page.getByRole('button', { name: /try again/i }).first().click();
  await isThereAgain(page);
  net.down();
  await page.keyboard.press('Control+Shift+L');
  await page.getByText('Not locked', { exact: true }).waitFor();
  // By itself, as soon as the box is there.
  net.up();
  await page.getByText(LOCKED).waitFor();
  await nothingIsShown(page);
  await signIn(page);
  await isThereAgain(page);
  await close();
});

test('a page that is loaded anew has not forgotten that it was to lock', async () => {
  const net = await network(there.box);
  const { page, context, close } = await visitor({ url: net.url });
  await signIn(page);
  await page.locator('.pane.active[data-state="live"]').waitFor();
  // The page itself comes; only the box's answer to this one does not.
  await context.route('**/api/lock', (route) => route.abort());
  await page.keyboard.press('Control+Shift+L');
  await page.getByText('Not locked', { exact: true }).waitFor();
  await page.reload();
  await page.getByText('Not locked', { exact: true }).waitFor();
  await nothingIsShown(page);
  await context.unroute('**/api/lock');
  await page.getByText(LOCKED).waitFor();
  await signIn(page);
  await page.locator('.pane.active[data-state="live"]').waitFor();
  await close();
});

test('an answer that is lost is not taken for a lock', async () => {
  const { page, context, close } = await guest(there.box);
  await page.locator('.pane.active[data-state="live"]').waitFor();
  // The box does it, and the page does not hear of it.
  await context.route('**/api/lock', async (route) => {
    await route.fetch();
    await route.abort();
  }, { times: 1 });
  await page.keyboard.press('Control+Shift+L');
  await page.getByText('Whether all of it is locked is not known.').waitFor();
  assert.equal(await page.getByText(LOCKED).count(), 0);
  assert.equal(await page.locator('input[autocomplete="username"]').inputValue(), ADA.name);
  await accessible(page, 'a lock whose answer was lost');
  await signIn(page);
  await page.locator('.pane.active[data-state="live"]').waitFor();
  assert.equal(await page.getByText('Whether all of it').count(), 0);
  await close();
});

test('Keys and passwords says when each was last used, and what becomes of them when', async () => {
  const { page, close } = await guest(there.box);
  await ask(page, 'POST', '/api/credentials', { label: 'spare', kind: 'generate' });
  await menu(page, 'Keys and passwords');
  await dialog(page).locator('.key-row', { hasText: 'test password' }).getByText(/^last used /).waitFor();
  await dialog(page).locator('.key-row', { hasText: 'spare' }).getByText('never used').waitFor();
  const summary = dialog(page).getByText('When can they be opened?');
  await summary.focus();
  await page.keyboard.press('Enter');
  assert.equal(await dialog(page).locator('.keys-when tbody tr').count(), 10);
  await dialog(page).getByText('Lock now', { exact: true }).waitFor();
  await accessible(page, 'what becomes of keys and passwords');
  await shot(page, 'keys-when-dark-wide');
  await close();
});

for (const [name, options, theme] of [['phone', { viewport: PHONE, hasTouch: true, isMobile: true }, 'dark'], ['phone', { viewport: PHONE, hasTouch: true, isMobile: true }, 'light'], ['wide', {}, 'light']]) {
  test(`in German, ${theme}, ${name}`, async () => {
    const { page, context, close } = await guest(there.box, { ...options, locale: 'de-DE', colorScheme: theme });
    const fits = async (what) => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what} hangs over the edge`);
    await page.keyboard.press('Control+Shift+H');
    await menu(page, 'Schlüssel und Passwörter');
    await dialog(page).getByText(/^zuletzt benutzt /).waitFor();
    await dialog(page).getByText('nie benutzt').waitFor();
    await dialog(page).getByText('Wann lassen sie sich öffnen?').click();
    await dialog(page).locator('.keys-when').scrollIntoViewIfNeeded();
    await accessible(page, 'was aus Schlüsseln wird');
    await fits('the list of steps');
    await shot(page, `keys-when-${theme}-${name}`);
    await page.keyboard.press('Escape');
    await page.locator('dialog[open]').waitFor({ state: 'detached' });
    await context.route('**/api/lock', (route) => route.abort());
    await menu(page, 'Jetzt sperren');
    await page.getByText('Nicht gesperrt', { exact: true }).waitFor();
    await accessible(page, 'nicht gesperrt');
    await fits('a lock that was not heard');
    await shot(page, `not-locked-${theme}-${name}`);
    await context.unroute('**/api/lock');
    await page.getByRole('button', { name: 'Jetzt versuchen' }).click();
    await page.getByText('Dein Tresor ist gesperrt.').waitFor();
    await accessible(page, 'gesperrt');
    await fits('a locked vault');
    await shot(page, `locked-${theme}-${name}`);
    await close();
  });
}
