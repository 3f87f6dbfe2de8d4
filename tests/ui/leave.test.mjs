// A test that fails or hangs leaves nothing running, and nothing in the folder of temporary files.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ended, leave, mustEnd, until } from './world.mjs';

after(leave);

/** A file of tests that has begun everything there is to begin. */
const FILE = `
  import { after, test } from 'node:test';
  import { footbridge, leave, network, sshd, visitor } from './world.mjs';
  after(leave);
  test('unlucky', async () => {
    const [box, server] = await Promise.all([footbridge(), sshd()]);
    const net = await network(box);
    await visitor({ url: net.url });
    console.log('begun ' + JSON.stringify([box.folder, server.folder]));
    await HAPPENS;
  });
`;

/** Every process below that one, by what the kernel says. */
function below(pid) {
  const all = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n').map((line) => line.trim().split(/ +/).map(Number));
  const children = all.filter(([, parent]) => parent === pid).map(([child]) => child);
  return children.flatMap((child) => [child, ...below(child)]);
}

function lives(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function unlucky(happens) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', FILE.replace('HAPPENS', happens)], { cwd: dirname(fileURLToPath(import.meta.url)), stdio: ['ignore', 'pipe', 'inherit'] });
  mustEnd(() => ended(child), () => child.kill());
  const folders = await new Promise((done, fail) => {
    createInterface({ input: child.stdout }).on('line', (line) => /begun /.test(line) && done(JSON.parse(line.slice(line.indexOf('[')))));
    child.once('exit', (status) => fail(new Error(`ended with ${status} before it had begun`)));
  });
  const gone = new Promise((done) => child.once('exit', done));
  return { child, folders, gone, begun: below(child.pid) };
}

async function nothingIsLeft({ folders, gone, begun }) {
  await gone;
  await until(() => !begun.some(lives), `${begun.filter(lives)} of ${begun} live on`, 20_000);
  assert.deepEqual(folders.filter((folder) => existsSync(folder)), []);
}

test('a test that fails while all of it runs', async () => {
  const it = await unlucky("new Promise((_, fail) => process.once('SIGUSR2', () => fail(new Error('as a test fails'))))");
  assert.ok(it.begun.length >= 3, `${it.begun}: the box, sshd and the browser`);
  it.child.kill('SIGUSR2');
  await nothingIsLeft(it);
});

test('a test that hangs until the runner ends it', async () => {
  const it = await unlucky('new Promise(() => undefined)');
  assert.ok(it.begun.length >= 3, `${it.begun}: the box, sshd and the browser`);
  it.child.kill('SIGTERM');
  await nothingIsLeft(it);
});
