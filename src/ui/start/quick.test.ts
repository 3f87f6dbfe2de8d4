import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseQuick, placeText, splitPort } from './quick';

const to = (user: string, address: string, port: number) => ({ user, address, port });

test('a place to go is told from a search', () => {
  assert.deepEqual(parseQuick('root@10.0.0.1'), to('root', '10.0.0.1', 22));
  assert.deepEqual(parseQuick('  ada@box.example:2222 '), to('ada', 'box.example', 2222));
  assert.deepEqual(parseQuick('ada@[fe80::1%eth0]:2200'), to('ada', 'fe80::1%eth0', 2200));
  assert.deepEqual(parseQuick('ada@2001:db8::7'), to('ada', '2001:db8::7', 22));
  assert.deepEqual(parseQuick('ssh://ada@box:2022/'), to('ada', 'box', 2022));
  for (const search of ['', 'router', '@', 'root@', '@host', 'root@host name', 'a b@c']) assert.equal(parseQuick(search), null, search);
});

test('a whole ssh command is understood', () => {
  assert.deepEqual(parseQuick('ssh root@router'), to('root', 'router', 22));
  assert.deepEqual(parseQuick('ssh -p 2222 root@router'), to('root', 'router', 2222));
  assert.deepEqual(parseQuick('ssh root@router -p2222'), to('root', 'router', 2222));
  assert.deepEqual(parseQuick('ssh -l root router'), to('root', 'router', 22));
  assert.equal(parseQuick('ssh -p root@router'), null);
  assert.equal(parseQuick('ssh -o ProxyCommand=x root@router'), null);
});

test('what ssh would read as an option is no place', () => {
  for (const text of ['-oProxyCommand=x@host', 'root@-oProxyCommand', 'root@host:0', 'root@host:65536', 'root@host:x', 'ro\tot@host', 'root@ho/st']) {
    assert.equal(parseQuick(text), null, text);
  }
  assert.equal(parseQuick(`root@${'a'.repeat(254)}`), null);
});

test('an account may hold an @ of its own', () => {
  assert.deepEqual(parseQuick('ada@corp.example@gate'), to('ada@corp.example', 'gate', 22));
});

test('a place reads the same when written and read again', () => {
  for (const [address, port] of [['box', 22], ['box', 2222], ['::1', 22], ['::1', 2222]] as const) {
    assert.deepEqual(splitPort(placeText(address, port)), { address, port });
  }
});
