import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACTIONS, chord, match, stolenKey, tabNumber } from './chords';

const press = (key: string, held = ''): { key: string; ctrlKey: boolean; altKey: boolean; shiftKey: boolean; metaKey: boolean } => ({
  key, ctrlKey: held.includes('c'), altKey: held.includes('a'), shiftKey: held.includes('s'), metaKey: held.includes('m'),
});

test('a chord is written one way', () => {
  assert.equal(chord(press('p', 'cs')), 'Ctrl+Shift+P');
  assert.equal(chord(press('P', 'cs')), 'Ctrl+Shift+P');
  assert.equal(chord(press('ArrowLeft', 'as')), 'Alt+Shift+ArrowLeft');
  assert.equal(chord(press('Shift', 's')), null);
  assert.equal(chord(press(' ', 'c')), 'Ctrl+Space');
});

test('no two actions have the same keys', () => {
  const keys = ACTIONS.map((action) => action.keys).filter((one) => one !== '');
  assert.equal(new Set(keys).size, keys.length);
});

test('Ctrl+C, Ctrl+D and other keys of the terminal are nobody else\'s', () => {
  for (const letter of 'abcdefghijklmnopqrstuvwxyz') assert.ok(!ACTIONS.some((action) => action.keys === `Ctrl+${letter.toUpperCase()}`));
});

test('stolen keys and tabs', () => {
  assert.equal(stolenKey(press('w', 'ca')), '\x17');
  assert.equal(stolenKey(press('w', 'c')), null);
  assert.equal(tabNumber(press('3', 'a')), 2);
  assert.equal(tabNumber(press('3', 'ca')), null);
});

test('own keys win over the usual ones, and Cmd stands for Ctrl+Shift', () => {
  assert.equal(match(press('p', 'cs'), {}), 'palette');
  assert.equal(match(press('p', 'cs'), { palette: 'Alt+P' }), null);
  assert.equal(match(press('p', 'a'), { palette: 'Alt+P' }), 'palette');
  assert.equal(match(press('c', 'm'), {}), 'copy');
  assert.equal(match(press('l', 'm'), {}), null, 'the address bar');
  assert.equal(match(press('l', 'sm'), {}), 'lock');
  assert.equal(match(press('l', 'cs'), {}), 'lock');
  assert.equal(match(press('c', 'c'), {}), null);
});
