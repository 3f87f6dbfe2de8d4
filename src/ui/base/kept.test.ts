import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mark, unheard, written } from './kept';

test('the tab wins with a change that the box has not heard of, and with no other', () => {
  const kept = { layout: 'two tabs' };
  mark(kept, 1000);
  const inTab = written(kept, 'ada');
  assert.deepEqual(unheard({ layout: 'one tab' }, inTab, 'ada'), kept, 'a box that never heard of times');
  assert.equal(unheard({ ...kept }, inTab, 'ada'), null, 'the box has it');
  assert.equal(unheard({ layout: 'of another device', changed: 1001 }, inTab, 'ada'), null);
  assert.equal(unheard({}, inTab, 'bob'), null, 'somebody else signs in here');
});

test('a later change is the newer one by a clock that is behind too', () => {
  const ofBox = { changed: 9000 };
  const kept = { ...ofBox };
  mark(kept, 1000);
  assert.deepEqual(unheard(ofBox, written(kept, 'ada'), 'ada'), { changed: 9001 });
});

test('what is not ours is nothing', () => {
  for (const text of [null, '', '{', 'null', '7', '{"user":"ada"}', '{"user":"ada","kept":null}', '{"user":"ada","kept":{"changed":"late"}}']) assert.equal(unheard({}, text, 'ada'), null, String(text));
});
