import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leaf, neighbour, panes, readNode, renamed, split, without } from './layout';

const three = split(split(leaf('a'), 'a', 'b', 'row'), 'b', 'c', 'column');

test('a split keeps the order of reading', () => {
  assert.deepEqual(panes(three), ['a', 'b', 'c']);
  assert.equal(neighbour(three, 'c', 1), 'a');
  assert.equal(neighbour(three, 'a', -1), 'c');
});

test('a neighbour takes the room of what goes', () => {
  assert.deepEqual(without(three, 'b'), split(leaf('a'), 'a', 'c', 'row'));
  assert.equal(without(leaf('a'), 'a'), null);
});

test('a layout survives being kept, and junk is no layout', () => {
  const kept = JSON.parse(JSON.stringify(renamed(three, (id) => (id === 'b' ? null : id.toUpperCase())))) as unknown;
  assert.deepEqual(readNode(kept), split(leaf('A'), 'A', 'C', 'row'));
  for (const junk of [null, 1, 'x', {}, { kind: 'pane' }, { kind: 'split' }, { kind: 'pane', id: 3 }]) assert.equal(readNode(junk), null);
  let deep: unknown = leaf('a');
  for (let n = 0; n < 20; n += 1) deep = { kind: 'split', first: deep, second: { kind: 'nothing' } };
  assert.equal(readNode(deep), null);
});
