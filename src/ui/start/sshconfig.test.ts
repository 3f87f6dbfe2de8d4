import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matches, parseSshConfig } from './sshconfig';

test('blocks become hosts, with the defaults that ssh would use', () => {
  const { hosts, skipped } = parseSshConfig('Host router\n  HostName 192.168.1.1\n  User root\n  Port 2222\n\nhost=nas\n\tuser = "ada"\n');
  assert.deepEqual(hosts, [
    { label: 'router', address: '192.168.1.1', port: 2222, user: 'root', line: 1, ignored: [] },
    { label: 'nas', address: 'nas', port: 22, user: 'ada', line: 6, ignored: [] },
  ]);
  assert.deepEqual(skipped, []);
});

test('the first value wins, from any block that matches', () => {
  const text = 'User early\nHost a.lan\n  User late\nHost *.lan !b.lan\n  Port 2200\n  HostName %h.example\nHost b.lan\n  Port 1\n';
  const { hosts } = parseSshConfig(text);
  assert.deepEqual(hosts.map((host) => [host.label, host.user, host.port, host.address]), [
    ['a.lan', 'early', 2200, 'a.lan.example'],
    ['b.lan', 'early', 1, 'b.lan'],
  ]);
});

test('several names in one block are several hosts, doubles one', () => {
  const { hosts } = parseSshConfig('Host one two "three" # four\n User u\nHost two\n');
  assert.deepEqual(hosts.map((host) => host.label), ['one', 'two', 'three']);
});

test('what cannot be taken over is told with its line and reason', () => {
  const text = 'Host *\n  User u\nHost gate web-?\n  ProxyJump bastion\n  IdentityFile ~/.ssh/k\nMatch user x\n  Port 9\nInclude other\nHost bad\n  HostName -oProxyCommand=x\nHost far\n Port 99999\n';
  const { hosts, skipped } = parseSshConfig(text);
  assert.deepEqual(hosts.map((host) => [host.label, host.ignored]), [['gate', ['ProxyJump', 'IdentityFile']]]);
  assert.deepEqual(skipped.map((one) => [one.line, one.why]), [
    [1, 'start.config.pattern'],
    [3, 'start.config.pattern'],
    [6, 'start.config.match'],
    [8, 'start.config.include'],
    [9, 'start.config.address'],
    [11, 'start.config.port'],
  ]);
});

test('a Match block keeps its options to itself', () => {
  assert.equal(parseSshConfig('Host a\nMatch all\n  Port 9\nHost b\n').hosts[0]?.port, 22);
});

test('Windows line ends, empty text and junk do no harm', () => {
  assert.equal(parseSshConfig('Host a\r\n  Port 23\r\n').hosts[0]?.port, 23);
  assert.deepEqual(parseSshConfig(''), { hosts: [], skipped: [] });
  assert.deepEqual(parseSshConfig('\u0000\u0001 =\n"\n#x\n').hosts, []);
  assert.deepEqual(parseSshConfig('Host\nHost =\n').hosts, []);
});

test('patterns match as in ssh, and a hostile one ends', () => {
  assert.ok(matches('web-1.lan', 'WEB-?.*'));
  assert.ok(matches('', '*'));
  assert.ok(!matches('web', 'web?'));
  assert.ok(!matches('a'.repeat(5000), `${'*a'.repeat(200)}b`));
});
