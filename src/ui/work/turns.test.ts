import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns';

/** Questions that stay until they are answered, and what is open at the moment. */
function askers(there: string[]) {
  const turns = new Turns(() => there);
  const open: string[] = [];
  const answers = new Map<string, (answer: string) => void>();
  const ask = (who: string): Promise<string | null> =>
    turns.ask(who, (waited) => {
      open.push(waited ? `${who} later` : who);
      return new Promise<string>((done) => answers.set(who, done)).finally(() => open.shift());
    });
  const answer = async (who: string, text = 'yes'): Promise<void> => {
    answers.get(who)?.(text);
    await settled();
  };
  return { turns, open, ask, answer };
}

const settled = (): Promise<void> => new Promise((done) => setTimeout(done));

test('one question at a time, in the order of those who ask', async () => {
  const { open, ask, answer } = askers(['a', 'b', 'c']);
  const asked = [ask('b'), ask('c'), ask('a')];
  await settled();
  assert.deepEqual(open, ['b']);
  await answer('b');
  assert.deepEqual(open, ['a later']);
  await answer('a', 'no');
  assert.deepEqual(open, ['c later'], 'the no of one leaves the others');
  await answer('c');
  assert.deepEqual(open, []);
  assert.deepEqual(await Promise.all(asked), ['yes', 'yes', 'no']);
});

test('who is gone meanwhile is not asked, and hears of it at once', async () => {
  const there = ['a', 'b', 'c'];
  const { turns, open, ask, answer } = askers(there);
  const asked = ['a', 'b', 'c'].map(ask);
  await settled();
  there.splice(1, 1);
  turns.sweep();
  assert.equal(await asked[1], null);
  assert.deepEqual(open, ['a'], 'the question that is open stays');
  there.pop();
  await answer('a');
  assert.equal(await asked[2], null, 'and without being told');
  assert.deepEqual(open, []);
});

test('a question that fails does not keep the next one waiting', async () => {
  const turns = new Turns(() => ['a', 'b']);
  const failed = turns.ask('a', () => Promise.reject(new Error('the box cannot be reached')));
  const next = turns.ask('b', async () => 'asked');
  await assert.rejects(failed, /reached/);
  assert.equal(await next, 'asked');
  assert.equal(await turns.ask('a', async (waited) => waited), false);
});

test('one that asks while a turn is given waits for it', async () => {
  const { open, ask, answer } = askers(['a', 'b', 'c']);
  void ask('a');
  void ask('b');
  await settled();
  const late = answer('a');
  void ask('c');
  await late;
  assert.deepEqual(open, ['b later']);
  await answer('b');
  assert.deepEqual(open, ['c later']);
});
