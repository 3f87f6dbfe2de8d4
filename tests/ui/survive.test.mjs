// A terminal outlives whatever happens to the page that looks at it: a lost network, a reload, sleep, another device. Not a byte is
// lost or doubled, and a restart of the box is said plainly.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { layoutIsKept } from './hands.mjs';
import { ADA, PHONE, claimed, command, footbridge, leave, network, openTerminal, screen, seen, shot, signIn, sshd, type, until, visitor } from './world.mjs';

let box;
let server;
let known = false;

before(async () => {
  [box, server] = await Promise.all([footbridge({ FOOTBRIDGE_TERMINALS_PER_USER: '12' }), sshd()]);
  await claimed(box);
});
after(leave);

async function guest(options = {}, from = box) {
  const visit = await visitor(from, options);
  await signIn(visit.page);
  return visit;
}

async function terminal(page) {
  await openTerminal(page, server, { known });
  known = true;
}

/** How often a page was attached, and how often it was sent something that a host printed. */
function counter() {
  const Real = window.WebSocket;
  window.attached = 0;
  window.prints = 0;
  window.WebSocket = class extends Real {
    constructor(...given) {
      super(...given);
      this.addEventListener('message', ({ data }) => {
        if (typeof data !== 'string') window.prints += 1;
        else if (JSON.parse(data).type === 'attached') window.attached += 1;
      });
    }
  };
}

/** The whole scrollback as it is drawn: each row's text, and the colour of its number. */
async function everyRow(page) {
  const rows = [];
  for (let n = 0; n < 80; n += 1) await page.keyboard.press('Shift+PageUp');
  for (let screens = 0; screens < 200; screens += 1) {
    await page.waitForTimeout(40);
    const drawn = await page.evaluate(() => [...document.querySelectorAll('.pane.active .xterm-rows > div')].map((row) => {
      const number = [...row.querySelectorAll('span')].find((span) => /^\d{5}/.test(span.textContent));
      return { text: row.textContent.replaceAll('\u00a0', ' ').trimEnd(), colour: /xterm-fg-(\d+)/.exec(number?.className ?? '')?.[1] ?? null };
    }));
    const at = rows.length === 0 ? 0 : drawn.findIndex((row) => row.text === rows[rows.length - 1].text) + 1;
    const fresh = drawn.slice(at).filter((row) => row.text !== '');
    rows.push(...fresh);
    if (fresh.some((row) => row.text.startsWith('all-printed'))) return rows;
    await page.keyboard.press('Shift+PageDown');
  }
  return rows;
}

const CUTS = 14;
const LINES = CUTS * 180;
/** So many lines for each cut, and not before the test says so: on a slow machine there is still something to print at the last one. */
const print = (folder) => `i=0; while [ $i -lt ${LINES} ]; do case $((i%${LINES / CUTS})) in 0) until [ -e ${folder}/cut-$((i*${CUTS}/${LINES})) ]; do sleep 0.02; done;; *0) sleep 0.01;; esac; i=$((i+1)); printf '\\033[3%dm%05d 你好 ünï\\033[0m\\n' $((i%8)) $i; done; echo all''-printed`;

test('the network is cut again and again while a host prints, and every byte comes once', async () => {
  const net = await network(box);
  const { page, context, trouble } = await visitor({ url: net.url }, {});
  await context.addInitScript(counter);
  await page.reload();
  await signIn(page);
  await terminal(page);
  await type(page, print(server.folder));
  await page.keyboard.press('Enter');
  const counted = () => page.evaluate(() => ({ attached: window.attached, prints: window.prints }));
  for (let cut = 0; cut < CUTS; cut += 1) {
    const before = await counted();
    writeFileSync(join(server.folder, `cut-${cut}`), '');
    // Somewhere among the lines of this cut; and the next one waits until the terminal is there again, however long that takes.
    await until(async () => (await counted()).prints > before.prints, `nothing is printed after ${cut} cuts`);
    await page.waitForTimeout(Math.floor(Math.random() * 60));
    net.cut();
    await page.evaluate(() => window.dispatchEvent(new Event('online')));
    await until(async () => (await counted()).attached > before.attached, `it is not attached anew after cut ${cut + 1}`);
  }
  await seen(page, 'all-printed');
  const printed = (await everyRow(page)).filter((row) => /^\d{5} /.test(row.text));
  assert.equal(printed.length, LINES);
  printed.forEach(({ text, colour }, at) => assert.deepEqual([text, colour ?? '0'], [`${String(at + 1).padStart(5, '0')} 你好 ünï`, String((at + 1) % 8)]));
  assert.deepEqual(trouble, []);
  await context.close();
  net.close();
});

test('a reload in the middle of vim shows vim as it was', async () => {
  const { page, close } = await guest();
  await page.keyboard.press('Control+Shift+H');
  await terminal(page);
  await type(page, 'vim.tiny -u NONE -c "set showmode" || vi');
  await page.keyboard.press('Enter');
  await seen(page, '~');
  await type(page, 'ione line of a poem');
  await seen(page, '-- INSERT --');
  await page.reload();
  await seen(page, 'one line of a poem');
  await seen(page, '-- INSERT --');
  await type(page, ' and its end');
  await seen(page, 'one line of a poem and its end');
  await page.keyboard.press('Escape');
  await type(page, ':q!');
  await page.keyboard.press('Enter');
  await seen(page, '$');
  await close();
});

test('what a program asked before a reload is not answered a second time', async () => {
  const { page, close } = await guest();
  await page.keyboard.press('Control+Shift+H');
  await terminal(page);
  await type(page, `bash -c "printf '\\033[6n'; read -rs -d R a; echo got-\\$((1+1)); if read -rs -t 6 -n 1 b; then echo answers-\\$((1+1)); else echo answers-\\$((0+1)); fi"\n`);
  await seen(page, 'got-2');
  await page.reload();
  await seen(page, 'got-2');
  await seen(page, 'answers-');
  await seen(page, /answers-1$/m);
  await close();
});

/** What was open last is asked for first, and waits; the page of hosts asks for its own. */
async function holdLayout(page) {
  let release;
  const held = new Promise((done) => { release = done; });
  await page.route('**/api/sessions', async (route) => {
    await held;
    await route.continue();
  }, { times: 1 });
  return release;
}

test('a terminal that is opened while the others come back stays in front, and the others come all the same', async () => {
  const earlier = await guest();
  await earlier.page.locator('.pane.active').waitFor();
  const before = await earlier.page.locator('.tab').count() - 1;
  await earlier.close();
  const { page, close } = await visitor(box);
  const release = await holdLayout(page);
  await signIn(page);
  await page.keyboard.press('Control+Shift+H');
  await terminal(page);
  await command(page, 'echo front-$((1+1))', 'front-2');
  assert.equal(await page.locator('.tab').count(), 2, 'that of the hosts, and its own');
  release();
  await until(async () => (await page.locator('.tab').count()) > 2, 'the others do not come back');
  await command(page, 'echo still-$((1+1))', 'still-2');
  await seen(page, 'front-2');
  assert.equal(await page.locator('.tab').count(), before + 2, 'each came once');
  await page.locator('.tab-face').last().click();
  await page.locator('.pane.active[data-state="live"]').waitFor();
  await until(async () => /\S/.test(await screen(page)) && !(await screen(page)).includes('front-2'), 'the last tab has no terminal of its own');
  await close();
});

test('the start page that was asked for while the terminals come back stays in front, and what it opened comes once', async () => {
  const earlier = await guest();
  await earlier.page.locator('.pane.active').waitFor();
  const before = await earlier.page.locator('.tab').count();
  await earlier.close();
  for (const opens of [false, true]) {
    const { page, close } = await visitor(box);
    const release = await holdLayout(page);
    await signIn(page);
    await page.keyboard.press('Control+Shift+H');
    await page.locator('.live-row').first().waitFor();
    if (opens) {
      await page.locator('.live-row .row-main').first().click();
      await page.locator('.pane.active[data-state="live"]').waitFor();
    }
    release();
    await until(async () => (await page.locator('.tab').count()) >= before, 'the terminals do not come back');
    // One that came twice would come with its own terminal, and nothing tells when there is no other: this is the time that it would have.
    await page.waitForTimeout(500);
    assert.equal(await page.locator('.tab').count(), before, 'each comes once');
    const search = page.locator('.start input').first();
    assert.equal(await search.isVisible(), !opens, 'what was gone to is still in front');
    if (!opens) {
      await page.keyboard.type('typed on');
      assert.equal(await search.inputValue(), 'typed on');
    }
    await close();
  }
});

test('two devices share a terminal, and each sees what the other types', async () => {
  const one = await guest();
  await one.page.keyboard.press('Control+Shift+H');
  await terminal(one.page);
  await command(one.page, 'echo from-$((1))', 'from-1');
  await layoutIsKept(one.page);
  const two = await guest({ viewport: { width: 900, height: 600 } });
  await until(async () => (await two.page.locator('.tab').count()) > 1, 'the layout is there on the other device');
  await seen(two.page, 'from-1');
  await command(two.page, 'echo from-$((2))', 'from-2');
  await seen(one.page, 'from-2');
  // A program's question is answered once, and by nobody's typing: the size stays that of whoever types.
  await type(two.page, `stty size > /tmp/size-$$; bash -c "printf '\\033[6n'; read -rs -d R a; if read -rs -t 5 -n 1 b; then echo twice-\$((1+1)); else echo once-\$((1+1)); fi"; stty size | cmp - /tmp/size-$$ && echo same-$((2+2)); rm /tmp/size-$$\n`);
  await seen(two.page, /(once|twice)-2/);
  await seen(two.page, 'same-4');
  assert.match(await screen(two.page), /^once-2$/m);
  await one.close();
  await command(two.page, 'echo still-$((3))', 'still-3');
  await two.close();
});

/** What the bar says in each language: that it counts down, and that it tries. */
const AWAY = [
  { locale: 'en-US', lost: 'Connection lost.', counts: /Next try in \d+ s\.$/, tries: /Trying now …$/, now: 'Try now' },
  { locale: 'de-DE', lost: 'Verbindung verloren.', counts: /Nächster Versuch in \d+ s\.$/, tries: /Neuer Versuch läuft …$/, now: 'Jetzt versuchen' },
];

for (const { locale, lost, counts, tries, now } of AWAY) {
  test(`on a phone the word of a lost connection is short, and says either when it tries or that it does (${locale})`, async () => {
    const net = await network(box);
    const { page, close } = await visitor({ url: net.url }, { locale, viewport: PHONE, hasTouch: true, isMobile: true });
    await signIn(page);
    await page.keyboard.press('Control+Shift+H');
    await terminal(page);
    await command(page, 'echo held-$((1))', 'held-1');
    net.down();
    const bar = page.locator('.pane.active .pane-bar', { hasText: lost });
    const button = bar.getByRole('button', { name: now });
    const says = async () => (await bar.locator('.pane-bar-text').innerText()).replaceAll('\n', ' ');
    await until(async () => counts.test(await says()), 'it counts down');
    await shot(page, `reconnecting-phone-${locale}`);
    assert.ok((await bar.boundingBox()).height <= 64, `three lines at most: ${await says()}`);
    assert.ok((await button.boundingBox()).height >= 40, 'and a button that a finger hits');
    assert.equal(await bar.getAttribute('role'), null, 'nobody has to hear every second');
    let hanging = null;
    await page.route('**/ticket', (route) => (hanging = route));
    net.up();
    await button.tap();
    await until(async () => tries.test(await says()), 'it tries');
    assert.ok((await bar.boundingBox()).height <= 64, await says());
    await until(() => hanging !== null, 'the ticket is asked for');
    await hanging.abort();
    await until(async () => counts.test(await says()), 'and counts down again');
    await page.unroute('**/ticket');
    await button.tap();
    await bar.waitFor({ state: 'hidden' });
    // The button that was pressed is gone, and the keys go to the terminal again.
    await command(page, 'echo back-$((2))', 'back-2');
    await close();
    net.close();
  });
}

test('after ten minutes of sleep the page comes back by itself', async () => {
  const net = await network(box);
  const { page, close } = await visitor({ url: net.url });
  await page.clock.install();
  await signIn(page);
  await page.keyboard.press('Control+Shift+H');
  await page.clock.runFor(500);
  await terminal(page);
  await command(page, 'echo awake-$((1)); (sleep 1; echo while-$((40+2))-away) &', 'awake-1');
  net.down();
  await page.locator('.pane-bar', { hasText: 'Connection lost' }).waitFor();
  await shot(page, 'reconnecting');
  assert.ok((await screen(page)).includes('awake-1'), 'the screen is kept');
  await page.clock.fastForward('10:00');
  net.up();
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await page.clock.runFor(2000);
  await seen(page, 'while-42-away');
  await page.locator('.pane-bar').waitFor({ state: 'hidden' });
  await close();
  net.close();
});

test('eight terminals stream while one is typed in', async () => {
  const { page, close } = await guest();
  await page.evaluate(async ({ port, count }) => {
    const { csrf } = await (await fetch('/api/state')).json();
    const headers = { 'Content-Type': 'application/json', 'X-Footbridge-Csrf': csrf };
    const { sessions } = await (await fetch('/api/sessions')).json();
    await Promise.all(sessions.map(({ id }) => fetch(`/api/sessions/${id}`, { method: 'DELETE', headers })));
    const credential = await (await fetch('/api/credentials', { method: 'POST', headers, body: JSON.stringify({ label: 'pw', kind: 'password', password: 'correct horse battery', address: '127.0.0.1', port }) })).json();
    const body = JSON.stringify({ label: 'streams', address: '127.0.0.1', port, user: 'fbtest', credential_id: credential.id });
    await fetch('/api/hosts', { method: 'POST', headers, body });
    void count;
  }, { port: server.port, count: 8 });
  await page.keyboard.press('Control+Shift+H');
  for (let n = 0; n < 9; n += 1) {
    await page.keyboard.press('Control+Shift+H');
    await page.locator('.start input').first().fill('streams');
    await page.locator('.start .list-row, .start [class*="row"]', { hasText: 'streams' }).first().waitFor();
    await page.keyboard.press('Enter');
    await seen(page, '$');
    if (n < 8) await type(page, 'while :; do seq 1 200; sleep 0.05; done\n');
  }
  await command(page, 'echo typed-$((5*5))', 'typed-25');
  await until(async () => (await page.locator('.tab.has-activity').count()) >= 8, 'the tabs show that output came');
  await close();
});

test('a restart of the box is said plainly', async () => {
  const { page, context } = await guest();
  await page.keyboard.press('Control+Shift+H');
  await terminal(page);
  await command(page, 'echo before-$((7))', 'before-7');
  await layoutIsKept(page);
  await box.stop();
  await box.start();
  await page.locator('.alert', { hasText: 'The box was restarted' }).waitFor({ timeout: 40_000 });
  await shot(page, 'restarted');
  await signIn(page, ADA);
  await page.locator('.toast', { hasText: 'gone' }).waitFor();
  assert.equal(await page.locator('.tab').count(), 1, 'no tab pretends to live');
  await context.close();
});
