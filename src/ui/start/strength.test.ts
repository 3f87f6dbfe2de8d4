import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteLength, guessBits, judge } from './strength';

const of = (password: string, name = 'ada') => judge(password, name, 12).strength;

test('too short is weak, whatever it is made of', () => {
  assert.equal(of(''), 0);
  assert.equal(of('x9$Kq!2'), 1);
  assert.equal(judge('x9$Kq!2', 'ada', 12).advice, 'start.strength.short');
});

test('rows of keys, repetition, well-known words and the own name are weak', () => {
  for (const password of ['aaaaaaaaaaaaaaaa', 'abcdefghijklmnop', '123456789012345', 'qwertyuiopasdf', 'passwordpassword', 'Password12345', 'ada-ada-ada-ada', 'adalovelace1ada']) {
    assert.ok(of(password, password.startsWith('adal') ? 'adalovelace' : 'ada') <= 1, password);
  }
});

test('words and chance are good', () => {
  assert.ok(of('correct horse battery') >= 3);
  assert.equal(of('wet lantern 7 orbits quietly'), 4);
  assert.ok(of('tR4!vqZp0#xW') >= 3);
});

test('more is never weaker', () => {
  let before = 0;
  let password = '';
  for (const character of 'mV7 lantern quiet 93 orbits') {
    password += character;
    const bits = guessBits(password);
    assert.ok(bits >= before, password);
    before = bits;
  }
});

test('length is counted in bytes, as the box does', () => {
  assert.equal(byteLength('äöü€'), 9);
  assert.equal(of('äöüäöü'), 1);
});
