// Real parts for the browser's tests: the program, OpenSSH's sshd, and Chromium. Everything is on loopback, in temporary folders, and
// ended by its own process id: by the test that began it, by `leave` after all tests of a file, or with the process of that file.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
/** The account that scripts/test.sh makes. */
export const ACCOUNT = { user: 'fbtest', password: 'correct horse battery' };
export const ADA = { name: 'ada', password: 'a long bridge over cold water' };
export const WIDE = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };
export const PATIENCE = 60_000;

/** Where the second factor and the pace of a person are not the subject; a test of the box as it ships overrides it with `AS_SHIPPED`. */
const EASY = { FOOTBRIDGE_SECOND_FACTOR: 'optional', FOOTBRIDGE_CONNECTS_PER_MINUTE: '100000', FOOTBRIDGE_LOGIN_HASH_MS: '0' };
export const AS_SHIPPED = { FOOTBRIDGE_SECOND_FACTOR: undefined, FOOTBRIDGE_CONNECTS_PER_MINUTE: undefined, FOOTBRIDGE_LOGIN_HASH_MS: undefined };

const binary = process.env.FOOTBRIDGE_BIN ? resolve(process.env.FOOTBRIDGE_BIN) : join(root, 'target/debug/footbridge');

/** What was begun here and has not ended. */
const begun = new Set();

/** Something that must not outlive its file. Gives what ends it, once. `atOnce` ends it too, without waiting for anything. */
export function mustEnd(end, atOnce = () => undefined) {
  const one = { atOnce, end: () => (one.ended ??= (async () => end())().then(() => begun.delete(one))) };
  begun.add(one);
  return one.end;
}

/** After the tests of a file, whatever they came to: the last thing begun ends first, and one that fails to keeps no other from it. */
export async function leave() {
  const failed = [];
  for (const one of [...begun].reverse()) await one.end().catch((error) => failed.push(error));
  if (failed.length > 0) throw failed[0];
}

// A test that hangs is ended by a signal, after which no hook runs.
process.on('exit', () => {
  for (const { atOnce } of [...begun].reverse()) {
    try {
      atOnce();
    } catch (error) {
      console.error(error);
    }
  }
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** A folder that goes with the file. */
export function temporary(name) {
  const folder = mkdtempSync(join(tmpdir(), `footbridge-${name}-`));
  const gone = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  mustEnd(gone, gone);
  return folder;
}

/** It has ended, and was seen to. */
export async function ended(child, signal = 'SIGTERM') {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((done) => {
    child.once('exit', done);
    child.kill(signal);
  });
}

export async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

function run(program, folder, data, settings) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FOOTBRIDGE_')));
  return spawn(program, ['serve'], {
    cwd: folder,
    env: { ...env, FOOTBRIDGE_DATA: data, FOOTBRIDGE_LISTEN: '127.0.0.1:0', FOOTBRIDGE_TARGETS_ALLOW: '127.0.0.0/8', ...EASY, ...settings },
    stdio: ['ignore', 'pipe', process.env.FOOTBRIDGE_TEST_LOG ? 'inherit' : 'ignore'],
  });
}

/** The program with a data folder of its own; a copy of it in there, if it is to be exchanged. */
export async function footbridge(settings = {}, { copied = false } = {}) {
  const folder = temporary('ui');
  const data = join(folder, 'data');
  const program = copied ? join(folder, 'footbridge') : binary;
  if (copied) copyFileSync(binary, program);
  let child = null;
  const close = mustEnd(() => stop(), () => child?.kill('SIGKILL'));
  const box = { folder, program, url: '', code: null, stop, start, close };
  await start({});
  return box;

  /** After `stop`: the same data and the same address, as after a power cut. */
  async function start(more = box.url === '' ? {} : { FOOTBRIDGE_LISTEN: new URL(box.url).host }) {
    child = run(program, folder, data, { ...settings, ...more });
    const known = {};
    const lines = createInterface({ input: child.stdout });
    await new Promise((done, fail) => {
      child.once('exit', (status) => fail(new Error(`serve ended with ${status}`)));
      lines.on('line', (line) => {
        const [word, ...rest] = line.split(' ');
        known[word] = rest.join(' ');
        // The claim code comes last, and only while nobody has claimed the box.
        if (known.certificate && (known['claim-code'] || box.code)) done();
      });
    });
    box.url = known.listening;
    box.code ??= known['claim-code'];
  }

  async function stop(signal = 'SIGKILL') {
    await ended(child, signal);
  }
}

/** OpenSSH's server: passwords of the test account, through PAM's keyboard-interactive too if asked. */
export async function sshd({ interactive = false, shell = '/bin/sh' } = {}) {
  const folder = temporary('sshd');
  chmodSync(folder, 0o755);
  const port = await freePort();
  let child = null;
  const close = mustEnd(() => ended(child), () => child?.kill());
  const server = { port, folder, close, restart, newKey, fingerprint: '' };
  newKey();
  await restart();
  return server;

  function newKey() {
    rmSync(join(folder, 'key'), { force: true });
    rmSync(join(folder, 'key.pub'), { force: true });
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'key')]);
    server.fingerprint = execFileSync('ssh-keygen', ['-lf', join(folder, 'key')], { encoding: 'utf8' }).split(' ')[1];
  }

  async function restart() {
    await ended(child);
    mkdirSync('/run/sshd', { recursive: true });
    const lines = [
      `ListenAddress 127.0.0.1:${port}`, `HostKey ${folder}/key`, 'PidFile none', 'UsePAM yes', 'PrintMotd no', 'PrintLastLog no', 'StrictModes no',
      `PasswordAuthentication ${interactive ? 'no' : 'yes'}`, `KbdInteractiveAuthentication ${interactive ? 'yes' : 'no'}`, 'MaxStartups 100', 'LogLevel ERROR',
      // A shell whose prompt sets no title, and whose line editor takes every byte in any locale.
      `ForceCommand exec ${shell} -i`,
    ];
    writeFileSync(join(folder, 'config'), lines.join('\n') + '\n');
    child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(folder, 'config')], { stdio: 'ignore' });
    await until(() => answers(port), 'sshd does not listen');
  }
}

/** A network between browser and box that can be cut. TCP only: names and certificates are the box's own. */
export async function network(box) {
  const { connect } = await import('node:net');
  const target = new URL(box.url);
  const pairs = new Set();
  let up = true;
  const server = createServer((near) => {
    if (!up) return near.destroy();
    const far = connect(Number(target.port), target.hostname);
    const pair = [near, far];
    pairs.add(pair);
    const end = () => {
      near.destroy();
      far.destroy();
      pairs.delete(pair);
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    near.pipe(far).pipe(near);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const cut = () => pairs.forEach(([near, far]) => [near, far].forEach((socket) => socket.destroy()));
  return {
    url: `https://127.0.0.1:${server.address().port}`,
    /** Every connection dies now; new ones may be made. */
    cut,
    down() {
      up = false;
      cut();
    },
    up() {
      up = true;
    },
    close: mustEnd(() => {
      cut();
      server.close();
    }),
  };
}

export async function answers(port) {
  const { connect } = await import('node:net');
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => done(true));
    socket.on('connect', () => socket.destroy());
    socket.on('error', () => done(false));
  });
}

export async function until(holds, why, patience = PATIENCE) {
  const end = Date.now() + patience;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(why);
    await new Promise((done) => setTimeout(done, 25));
  }
}

let shared = null;

/** A browser of its own, with arguments of its own; Playwright ends it with this process. */
export async function launch(...more) {
  const started = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage', ...more] });
  mustEnd(() => started.close());
  return started;
}

/** The one that most tests share. */
export async function browser() {
  shared ??= launch();
  return shared;
}

/** A browser that has never been here. What its policy forbids, what it asks elsewhere, and what its scripts throw is collected. */
export async function visitor(box, options = {}) {
  const context = await (await browser()).newContext({
    ignoreHTTPSErrors: true, viewport: WIDE, locale: 'en-US', colorScheme: 'dark', reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write'], ...options,
  });
  context.setDefaultTimeout(PATIENCE);
  const trouble = [];
  const page = await context.newPage();
  watch(page, box, trouble);
  await page.goto(box.url);
  return {
    page, context, trouble,
    /** Nothing was forbidden, asked elsewhere, or thrown. */
    async close() {
      await context.close();
      assert.deepEqual(trouble, []);
    },
  };
}

export function watch(page, box, trouble) {
  page.on('console', (message) => {
    const text = message.text();
    // A refusal that the page itself shows is written to the console by the browser, and a service worker needs a known certificate.
    if (message.type() === 'error' && !/Failed to load resource|service worker|ServiceWorker|SSL certificate|WebSocket connection|fetching the script/i.test(text)) trouble.push(text);
  });
  page.on('pageerror', (error) => trouble.push(String(error)));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(box.url) && !url.startsWith(box.url.replace('https', 'wss')) && !/^(data|blob):/.test(url)) trouble.push(`asked elsewhere: ${url}`);
  });
}

// ---- what a person does ----

/** RFC 6238: the code of that half minute. */
export function codeAt(secret, step) {
  const bits = [...secret].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const hash = createHmac('sha1', key).update(counter).digest();
  const number = (hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1_000_000;
  return String(number).padStart(6, '0');
}

export async function claim(page, box) {
  await fillClaim(page, box);
  await page.locator('.work').waitFor({ timeout: PATIENCE });
}

export async function fillClaim(page, box) {
  await page.getByLabel(/code/i).first().fill(box.code.toLowerCase());
  await page.getByLabel(/name/i).first().fill(ADA.name);
  await page.locator('input[autocomplete="new-password"]').first().fill(ADA.password);
  const again = page.locator('input[autocomplete="new-password"]').nth(1);
  if (await again.count()) await again.fill(ADA.password);
  await page.locator('form button[type="submit"], form .button.primary').first().click();
}

/** A claimed box: by the same page that a person uses. */
export async function claimed(box) {
  const { page, close } = await visitor(box);
  await page.getByLabel(/code/i).first().waitFor();
  await claim(page, box);
  await close();
}

export async function signIn(page, who = ADA) {
  await page.locator('input[autocomplete="username"]').fill(who.name);
  await page.locator('input[autocomplete="current-password"]').fill(who.password);
  await page.keyboard.press('Enter');
  await page.locator('.work').waitFor({ timeout: PATIENCE });
}

/** By the search box, as `user@host:port`. */
export async function quickConnect(page, port) {
  await page.locator('.start input[type="search"], .start input').first().fill(`${ACCOUNT.user}@127.0.0.1:${port}`);
  await page.keyboard.press('Enter');
}

export async function acceptHostKey(page, fingerprint) {
  const panel = page.locator('.pane.active .question');
  await panel.waitFor({ timeout: PATIENCE });
  if (fingerprint) assert.ok((await panel.innerText()).includes(fingerprint), 'the fingerprint that ssh-keygen prints is shown');
  await panel.locator('.button.primary').click();
}

export async function answerPassword(page) {
  const field = page.locator('.pane.active .question input[type="password"]');
  await field.waitFor({ timeout: PATIENCE });
  await field.fill(ACCOUNT.password);
  await page.keyboard.press('Enter');
}

/** From the start page to a prompt. */
export async function openTerminal(page, server, { known = false } = {}) {
  await quickConnect(page, server.port);
  if (!known) await acceptHostKey(page, server.fingerprint);
  await answerPassword(page);
  await seen(page, '$');
}

/** The rows on the screen of the active pane, as text. */
export function screen(page) {
  return page.evaluate(() => [...document.querySelectorAll('.pane.active .xterm-rows > div')].map((row) => row.textContent.replaceAll('\u00a0', ' ').trimEnd()).join('\n'));
}

/** What a failure wants to know: the screen without its empty rows, what lies over it and where the keys go. */
async function around(page) {
  const rows = (await screen(page)).split('\n').filter((row) => row !== '');
  const rest = await page.evaluate(() => {
    const over = [...document.querySelectorAll('.pane.active .pane-bar, .pane.active .overlay, dialog[open], .toast')];
    const focus = document.activeElement;
    return [...over.map((one) => one.innerText.trim()).filter((text) => text !== ''), `focus: ${focus?.tagName} ${focus?.className} ${focus?.getAttribute('name') ?? ''}`];
  });
  return [...rows, ...rest].join('\n');
}

export async function seen(page, text, patience = PATIENCE) {
  const holds = typeof text === 'string' ? async () => (await screen(page)).includes(text) : async () => text.test(await screen(page));
  try {
    await until(holds, '', patience);
  } catch {
    await shot(page, 'failure');
    throw new Error(`not seen: ${text}\n${await around(page)}`);
  }
}

export async function type(page, text) {
  await page.keyboard.type(text, { delay: 2 });
}

/** Types a command and waits for a word that only its output has. */
export async function command(page, line, output) {
  await type(page, line);
  await page.keyboard.press('Enter');
  await seen(page, output);
}

const shots = process.env.FOOTBRIDGE_SHOTS ?? join(here, 'out');

/** Into tests/ui/out; `make shots` puts those that the documents use into docs/screenshots. */
export async function shot(page, name) {
  mkdirSync(shots, { recursive: true });
  await page.waitForTimeout(250);
  await page.screenshot({ path: join(shots, `${name}.png`), animations: 'disabled' });
}

export function axeSource() {
  return readFileSync(join(here, 'node_modules/axe-core/axe.min.js'), 'utf8');
}
