import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff } from './backoff';
import { Pace, keyPressed } from './pace';
import { asksFirst, counts, prepared, preview } from './paste';
import { wordAround } from './word';

test('the wait doubles, is bounded and never nought', () => {
  assert.equal(backoff(0, 1), 400);
  assert.equal(backoff(0, 0), 200);
  assert.equal(backoff(3, 1), 3200);
  assert.equal(backoff(99, 1), 15_000);
  assert.ok(backoff(99, 0) >= 7500);
});

test('a paste cannot end its own brackets', () => {
  assert.equal(prepared('a\r\nb\nc', false), 'a\rb\rc');
  for (const hostile of ['a\x1b[201~\nrm -rf /\n', 'a\x1b[201\x1b[201~~b', 'a\x9b201~b']) {
    const inside = prepared(hostile, true).slice('\x1b[200~'.length, -'\x1b[201~'.length);
    assert.ok(!/[\x1b\x9b]/.test(inside), JSON.stringify(inside));
  }
});

test('several lines are asked about, one is not', () => {
  assert.equal(asksFirst('ls', false, true), false);
  assert.equal(asksFirst('ls\n', false, true), true);
  assert.equal(asksFirst('ls\n', true, true), false);
  assert.equal(asksFirst('a\nb', true, true), true);
  assert.equal(asksFirst('a\nb', true, false), false);
  assert.equal(asksFirst('x'.repeat(5001), true, true), true);
});

test('a preview shows what cannot be seen', () => {
  assert.equal(preview('a\x1b[31mb\n\tc'), 'a\\x1b[31mb\n\tc');
  assert.equal(preview('1\n2\n3', 2), '1\n2\n…');
  assert.deepEqual(counts('a\nb\n'), { lines: 2, characters: 4 });
});

test('what is typed elsewhere has the right of way over a flood, and nothing is lost or reordered by it', async () => {
  let now = 0;
  let printed = '';
  const pace = new Pace((bytes) => void (printed += new TextDecoder().decode(bytes)), () => now);
  const push = (text: string): void => pace.push(new TextEncoder().encode(text));
  const flood = 'b'.repeat(50_000);
  push(flood);
  assert.equal(printed, flood, 'nobody types: at once');
  now = 5000;
  keyPressed(now);
  push('little');
  assert.equal(printed, `${flood}little`, 'a little is at once, too');
  push(flood);
  push('c');
  assert.equal(printed.length, 50_000 + 8192);
  now += 500;
  pace.typed();
  assert.equal(printed, `${flood}little${flood}c`, 'in the pane that is typed in nothing waits');
  push(flood);
  assert.ok(printed.endsWith(`c${flood}`));
  now = 9000;
  keyPressed(now);
  push(flood);
  push('d');
  now += 1000;
  while (!printed.endsWith('d')) await new Promise((go) => setTimeout(go, 5));
  assert.equal(printed, `${flood}little${flood}c${flood}${flood}d`);
});

test('a finger on a cell means the whole path, address or option', () => {
  const word = (line: string, at: number): string => {
    const { from, to } = wordAround(at, (cell) => (cell < 0 || cell >= line.length ? null : (line[cell] ?? null)));
    return line.slice(from, to);
  };
  assert.equal(word('see /var/log/sys-log.1, ok', 8), '/var/log/sys-log.1');
  assert.equal(word('ssh -p 22 root@192.168.1.1', 20), 'root@192.168.1.1');
  assert.equal(word('(https://example.org/a?b=c#d)', 12), 'https://example.org/a?b=c#d');
  assert.equal(word('--color=auto', 0), '--color=auto');
  assert.equal(word('a  b', 1), ' ');
  assert.deepEqual(wordAround(5, () => null), { from: 5, to: 6 });
});
