// What wants a proof asks once, however often its button is pressed; and a code that was sent is not sent again, when what it was given for
// failed for another reason: the box would count it as a wrong try, and five of these shut its owner out.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, ask, dialog, menu } from './hands.mjs';
import { ADA, PATIENCE, claimed, codeAt, footbridge, leave, shot, signIn, until, visitor } from './world.mjs';

let box;
let secret = '';
let used = 0;

before(async () => {
  const made = await footbridge();
  await claimed(made);
  // Passkeys want a name.
  box = { ...made, url: made.url.replace('127.0.0.1', 'localhost') };
});
after(leave);

/** RFC 6238: a code works once, so that each call waits for a step that was not used. */
async function oneTimeCode() {
  await until(() => Math.floor(Date.now() / 30_000) > used, 'the next code did not come', 40_000);
  used = Math.floor(Date.now() / 30_000);
  return codeAt(secret, used);
}

/** How often the page asked for this, without the first request of what wants a form's token, which is answered before it is read. */
function counted(page, method, path, wantsForm = false) {
  const seen = { count: 0 };
  page.on('request', (request) => {
    const whole = !wantsForm || request.headers()['x-footbridge-form'] !== undefined;
    if (whole && request.method() === method && path.test(new URL(request.url()).pathname)) seen.count += 1;
  });
  return seen;
}

/** What is pressed before the box has said what a proof is. One question comes of it, over the dialog that was there. */
async function asksOnce(page, press) {
  let answer;
  const pressed = new Promise((done) => (answer = done));
  await page.route('**/api/factor', async (route) => {
    await pressed;
    await route.continue();
  });
  await press();
  answer();
  await page.locator('dialog[open]').nth(1).waitFor();
  await page.waitForLoadState('networkidle');
  assert.equal(await page.locator('dialog[open]').count(), 2);
  await page.unroute('**/api/factor');
}

const clickTwice = (button) => button.evaluate((one) => [1, 2].forEach(() => one.click()));
const pressTwice = (page, button) => asksOnce(page, () => clickTwice(button));

const button = (page, name) => dialog(page).getByRole('button', { name, exact: true });
const password = (page) => dialog(page).locator('input[autocomplete="current-password"]');
const code = (page) => dialog(page).locator('input[autocomplete="one-time-code"]');
const only = (page) => dialog(page).getByText('this is the only one').waitFor({ timeout: PATIENCE });
const wasSent = (page) => dialog(page).getByText('This code was sent already').waitFor({ timeout: PATIENCE });

/** A key on a ring that says it was not touched, which the box does not take. */
async function untouchedKey(context, page) {
  const session = await context.newCDPSession(page);
  await session.send('WebAuthn.enable');
  const options = { protocol: 'ctap2', transport: 'usb', hasResidentKey: false, hasUserVerification: false, automaticPresenceSimulation: true };
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', { options });
  await session.send('WebAuthn.setResponseOverrideBits', { authenticatorId, isBadUP: true });
}

async function setUp(page) {
  await pressTwice(page, button(page, 'Set up'));
  await password(page).fill(ADA.password);
  await page.keyboard.press('Enter');
  await page.locator('.qr').waitFor({ timeout: PATIENCE });
  await page.getByText('I cannot scan it').click();
  secret = (await dialog(page).locator('.copy-box pre').innerText()).replaceAll(/\s/g, '');
  const first = await oneTimeCode();
  await code(page).fill(first);
  await page.keyboard.press('Enter');
  await dialog(page).getByText('I have put them in a safe place').click({ timeout: PATIENCE });
  await button(page, 'Done').click();
  await dialog(page).getByText('10 recovery codes are left').waitFor();
  return first;
}

/** With the token that such a deed wants. */
function makeBob(page) {
  return page.evaluate(async () => {
    const { csrf } = await (await fetch('/api/state')).json();
    const send = (path, body, more) => fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Footbridge-Csrf': csrf, ...more }, body: JSON.stringify(body) });
    const { form } = await (await send('/api/form', {}, {})).json();
    const made = await send('/api/users', { name: 'bob', role: 'user', password: 'seven lanterns by the weir' }, { 'X-Footbridge-Form': form });
    // Read to its end, or the network is never idle.
    const told = await made.text();
    if (made.status !== 201) throw new Error(told);
  });
}

test('the same deed asked for twice is one question, and a button pressed twice does one thing', async () => {
  const { page, close } = await visitor(box);
  await signIn(page);
  await makeBob(page);
  await menu(page, 'People');
  const remove = async () => {
    await button(page, 'More for bob').click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
  };
  await asksOnce(page, async () => {
    await remove();
    await remove();
  });
  await button(page, 'Cancel').click();

  await button(page, 'Invite somebody').click();
  await button(page, 'Make link').click();
  await button(page, 'Done').click();
  const taken = counted(page, 'DELETE', /^\/api\/invites\//);
  const back = button(page, 'Take the invitation back');
  await clickTwice(back);
  await back.waitFor({ state: 'detached' });
  await page.waitForLoadState('networkidle');
  assert.equal(taken.count, 2, 'one for the token and one with it');
  await close();
});

test('a question is asked once, a password may be sent again, and a code is not', async () => {
  const { page, context, close } = await visitor(box);
  await signIn(page);
  await menu(page, 'Your account');
  await pressTwice(page, button(page, 'Trust this browser'));
  await password(page).fill(ADA.password);
  await button(page, 'Trust it').click();
  await button(page, 'Demand a trusted device').click();
  await password(page).fill(ADA.password);
  await button(page, 'Go on').click();
  await dialog(page).getByText('Terminals open on these devices only').waitFor();

  // The box says no, and not because of the proof.
  const removals = counted(page, 'DELETE', /^\/api\/devices\//, true);
  const remove = () => dialog(page).getByRole('button', { name: /no more$/ });
  await remove().click();
  await password(page).fill(ADA.password);
  await button(page, 'Delete').click();
  await only(page);
  await button(page, 'Delete').click();
  await until(() => removals.count === 2, 'a password is sent again');
  await only(page);
  await button(page, 'Cancel').click();

  const first = await setUp(page);
  const renewals = counted(page, 'POST', /^\/api\/factor\/codes$/);
  await pressTwice(page, button(page, 'New recovery codes'));
  await code(page).fill(first);
  await page.keyboard.press('Enter');
  await wasSent(page);
  await shot(page, 'proof-sent');
  await accessible(page);
  assert.equal(renewals.count, 0, 'the code of another question');
  await button(page, 'Cancel').click();

  const second = await oneTimeCode();
  await remove().click();
  await code(page).fill(second);
  await clickTwice(button(page, 'Delete'));
  await only(page);
  assert.equal(removals.count, 3, 'two presses are one deed');
  await button(page, 'Delete').click();
  await wasSent(page);
  assert.equal(removals.count, 3, 'the same code is not sent again');
  await button(page, 'Cancel').click();

  const wishes = counted(page, 'POST', /^\/api\/factor\/passkey\/create$/);
  await untouchedKey(context, page);
  await pressTwice(page, button(page, 'Add a passkey'));
  await code(page).fill(second);
  await button(page, 'Go on').click();
  await wasSent(page);
  assert.equal(wishes.count, 0);
  await code(page).fill(await oneTimeCode());
  await button(page, 'Go on').click();
  await dialog(page).getByText('This passkey cannot be taken').waitFor();
  assert.equal(wishes.count, 1);
  await button(page, 'Go on').click();
  await wasSent(page);
  assert.equal(wishes.count, 1, 'the box took no such key, and the code is spent');

  const { events } = await ask(page, 'GET', '/api/audit');
  assert.ok(events.some(({ event }) => event === 'factor.enrol'), 'this test sees nothing');
  assert.deepEqual(events.filter(({ event }) => event === 'factor.failed'), []);
  await close();
});
