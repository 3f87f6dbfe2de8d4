import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Link, type LinkEvents } from './link';
import { Tries } from './tries';

// ---- a browser of which only what a link uses is there ----

class Socket {
  static made: Socket[] = [];
  binaryType = '';
  closed = false;
  onopen = (): void => undefined;
  onclose = (): void => undefined;
  onmessage = (_: { data: string }): void => undefined;
  constructor(readonly url: string) {
    Socket.made.push(this);
  }
  /** As in a browser: it is told later. */
  close(): void {
    this.closed = true;
    setTimeout(() => this.onclose(), 0);
  }
  attach(): void {
    this.onopen();
    this.onmessage({ data: JSON.stringify({ type: 'attached', session: { id: 's', state: 'live' }, offset: 0, lost: 0, restore: '' }) });
  }
}

const page = Object.assign(new EventTarget(), { hidden: false, baseURI: 'https://box.test/' });
const timers = { setTimeout: (run: () => void, ms: number) => setTimeout(run, ms).unref(), clearTimeout };
/** Requests for a ticket that the box has not answered yet. */
let asked: { answer: (ticket: string) => void; fail: () => void }[] = [];

Object.assign(globalThis, {
  document: page,
  window: Object.assign(new EventTarget(), timers),
  WebSocket: Socket,
  fetch: () => new Promise((done, fail) => asked.push({ answer: (ticket) => done(Response.json({ ticket })), fail: () => fail(new TypeError('no network')) })),
});

beforeEach(() => {
  Socket.made = [];
  asked = [];
});

/** Long enough for what has been promised already; nothing here takes time of its own. */
const settled = (): Promise<void> => new Promise((go) => setTimeout(go, 5));
const events = (): void => {
  window.dispatchEvent(new Event('online'));
  document.dispatchEvent(new Event('visibilitychange'));
};
const still = (): Socket[] => Socket.made.filter(({ closed }) => !closed);

/** A link, and what it says of itself. */
function link(): { link: Link; said: string[] } {
  const said: string[] = [];
  const note = (what: string) => () => void said.push(what);
  const listener = { output() {}, attached: note('attached'), state() {}, question() {}, answered() {}, size() {}, lost() {}, ended() {}, spilled() {}, away: note('away'), trying: note('trying'), gone: note('gone') } satisfies LinkEvents;
  return { link: new Link('s', listener), said };
}

test('events that come together, and a person with them, are one try and one socket', async () => {
  const { link: one, said } = link();
  void one.connect();
  events();
  one.retryNow();
  await settled();
  assert.equal(asked.length, 1, 'one ticket');
  asked[0]?.answer('t1');
  await settled();
  events();
  one.retryNow();
  await settled();
  assert.equal(Socket.made.length, 1, 'one socket');
  Socket.made[0]?.attach();
  assert.deepEqual(said, ['trying', 'attached']);
  one.close();
});

test('a try that hangs makes place for a new one, and its late failure says nothing of the link that works', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  const { link: one, said } = link();
  void one.connect();
  t.mock.timers.tick(60_000);
  one.retryNow();
  await settled();
  assert.equal(asked.length, 2);
  asked[1]?.answer('t2');
  await settled();
  Socket.made[0]?.attach();
  asked[0]?.fail();
  await settled();
  assert.deepEqual(said, ['trying', 'trying', 'attached']);
  assert.ok(one.isOpen);
  one.close();
});

test('nor does its late answer open a second socket', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  const { link: one, said } = link();
  void one.connect();
  t.mock.timers.tick(60_000);
  events();
  await settled();
  asked[1]?.answer('t2');
  await settled();
  Socket.made[0]?.attach();
  asked[0]?.answer('t1');
  await settled();
  assert.equal(Socket.made.length, 1);
  assert.deepEqual(said, ['trying', 'trying', 'attached']);
  assert.ok(one.isOpen);
  one.close();
});

test('an event over a link that works exchanges its socket once, without a word of being away', async () => {
  const { link: one, said } = link();
  void one.connect('t1');
  await settled();
  Socket.made[0]?.attach();
  events();
  await settled();
  assert.equal(asked.length, 1);
  asked[0]?.answer('t2');
  await settled();
  Socket.made[1]?.attach();
  await settled();
  assert.deepEqual(said, ['trying', 'attached', 'trying', 'attached']);
  assert.deepEqual(still(), [Socket.made[1]]);
  one.close();
});

test('a link that was closed during its try stays closed', async () => {
  const { link: one, said } = link();
  void one.connect();
  one.close();
  asked[0]?.answer('t1');
  events();
  await settled();
  assert.equal(Socket.made.length, 0);
  assert.deepEqual(said, ['trying']);
});

test('of tries only the last one counts, and none after the end', () => {
  let now = 0;
  const tries = new Tries(() => now);
  const first = tries.begin();
  assert.equal(tries.begin(), null, 'joined');
  now = 5000;
  const second = tries.begin();
  assert.ok(first !== null && second !== null);
  assert.deepEqual([tries.counts(first), tries.counts(second)], [false, true]);
  tries.failed();
  assert.notEqual(tries.begin(), null, 'nothing is under way');
  tries.succeeded();
  assert.ok(tries.attached);
  tries.end();
  tries.failed();
  assert.ok(tries.over);
  assert.equal(tries.begin(), null);
  assert.equal(tries.counts(second), false);
});
