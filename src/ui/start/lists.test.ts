import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { tidyCode } from './code';
import { age, arrange, find, hostTitle, readTags, tagsOf } from './hostlist';
import { dropbearLine, installLine, shellQuote } from './install';
import { findFingerprint, pieces } from './pieces';
import type { Host } from '../base/types';
import de from '../text/start.de';
import en from '../text/start.en';

let made = 0;
const host = (more: Partial<Host>): Host => ({
  id: String(++made).padStart(32, '0'), label: '', address: 'h', port: 22, user: 'u', credential_id: null, created: 1, last_used: null,
  tags: [], favourite: false, colour: '', notes: '', osc52: false, ...more,
});
const names = (hosts: Host[]) => hosts.map(hostTitle);

test('each host stands once: favourite, else recent, else in the whole list', () => {
  const hosts = Array.from({ length: 12 }, (_, n) => host({ label: `h${n}`, favourite: n === 3, last_used: n < 8 ? n + 1 : null }));
  const sections = arrange(hosts, '', '');
  assert.deepEqual(sections.map((section) => section.key), ['favourites', 'recent', 'all']);
  assert.deepEqual(names(sections[1]?.hosts ?? []), ['h7', 'h6', 'h5', 'h4', 'h2']);
  assert.equal(sections.reduce((sum, section) => sum + section.hosts.length, 0), 12);
});

test('every word must be found; a label that begins so comes first', () => {
  const hosts = [host({ label: 'old web', last_used: 9 }), host({ label: 'webserver' }), host({ label: 'nas', tags: ['web'] }), host({ label: 'x', notes: 'the web one' }), host({ label: 'db' })];
  assert.deepEqual(names(find(hosts, 'WEB')), ['webserver', 'old web', 'nas', 'x']);
  assert.deepEqual(names(find(hosts, 'web nas')), ['nas']);
  assert.deepEqual(names(find(hosts, '#web')), ['nas']);
  assert.deepEqual(find(hosts, 'web zzz'), []);
  assert.deepEqual(names(find([host({ port: 2222 })], 'u@h:2222')), ['u@h:2222']);
});

test('a tag narrows the list; tags are ordered by use', () => {
  const hosts = [host({ label: 'a', tags: ['home', 'pi'] }), host({ label: 'b', tags: ['home'] }), host({ label: 'c' })];
  assert.deepEqual(tagsOf(hosts), ['home', 'pi']);
  assert.deepEqual(arrange(hosts, '', 'pi').flatMap((section) => names(section.hosts)), ['a']);
  assert.deepEqual(readTags(' #home, pi,,home\nlab '), ['home', 'pi', 'lab']);
});

test('ages', () => {
  assert.deepEqual([5, 60, 7199, 7200, 86400 * 2].map((seconds) => age(1000, 1000 + seconds)), [
    { unit: 'now', count: 0 }, { unit: 'minute', count: 1 }, { unit: 'hour', count: 1 }, { unit: 'hour', count: 2 }, { unit: 'day', count: 2 },
  ]);
  assert.deepEqual(age(2000, 1000), { unit: 'now', count: 0 });
});

test('a key comment cannot break out of the line that is pasted on a host', () => {
  const hostile = "ssh-ed25519 AAAA it's; rm -rf / $(x)";
  assert.equal(shellQuote("a'b"), `'a'\\''b'`);
  const home = mkdtempSync(join(tmpdir(), 'install-'));
  try {
    mkdirSync(join(home, '.ssh'));
    writeFileSync(join(home, '.ssh/authorized_keys'), 'ssh-rsa BBBB no line end');
    for (let twice = 0; twice < 2; twice++) execFileSync('/bin/sh', ['-c', installLine(hostile)], { env: { HOME: home, PATH: process.env['PATH'] ?? '' }, timeout: 20000 });
    assert.equal(readFileSync(join(home, '.ssh/authorized_keys'), 'utf8'), `ssh-rsa BBBB no line end\n${hostile}\n`);
  } finally {
    rmSync(home, { recursive: true });
  }
  assert.ok(dropbearLine(hostile).startsWith(`echo ${shellQuote(hostile)} >>`));
});

test('a long known_hosts is cut at line ends and numbered through', () => {
  const lines = Array.from({ length: 500 }, (_, n) => `host${n} ssh-ed25519 ${'A'.repeat(60)}`);
  const cut = pieces(lines.join('\r\n'), 4096);
  assert.ok(cut.length > 5);
  assert.deepEqual(cut.flatMap((piece) => piece.text.split('\n')), lines);
  for (const piece of cut) {
    assert.ok(JSON.stringify(piece.text).length <= 4096 + 2);
    assert.equal(piece.text.split('\n')[0], lines[piece.before]);
  }
});

test('a fingerprint is found in what people paste', () => {
  const print = `SHA256:${'a'.repeat(42)}Q`;
  assert.equal(findFingerprint(`256 ${print} root@box (ED25519)`), print);
  assert.equal(findFingerprint(`${print}=`), print);
  for (const bad of ['', 'SHA256:short', 'MD5:aa:bb', `${print}x`]) assert.equal(findFingerprint(bad), null, bad);
});

test('a claim code is tidied, whatever was pasted around it', () => {
  assert.equal(tidyCode(' claim-code k7qf 3mzt-abcd\n'), 'K7QF-3MZT-ABCD');
  assert.equal(tidyCode(''), '');
});

test('both languages hold the same words to fill in', () => {
  const slots = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
  assert.deepEqual(Object.keys(de).sort(), Object.keys(en).sort());
  for (const key of Object.keys(en) as (keyof typeof en)[]) assert.deepEqual(slots(de[key]), slots(en[key]), key);
});
