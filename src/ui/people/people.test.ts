import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditCsv } from './csv';
import { deviceName } from './device';
import { inviteLink, readLink } from './link';

test('a link is read back, and nothing else is taken for one', () => {
  const token = 'aB3_-'.repeat(8);
  assert.deepEqual(readLink(new URL(inviteLink('https://box:8443/', token)).hash), { kind: 'invite', token });
  assert.deepEqual(readLink(`#reset=${token}`), { kind: 'reset', token });
  for (const junk of ['', '#', '#invite=', '#invite=short', `#other=${token}`, `#invite=${token}&x`, `#invite=<b>${token}`]) assert.equal(readLink(junk), null, junk);
});

test('browsers are called what people call them', () => {
  assert.equal(deviceName('Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0'), 'Firefox, Linux');
  assert.equal(deviceName('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36 Edg/124.0'), 'Edge, Windows');
  const phone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1';
  assert.equal(deviceName(phone), 'Safari, iPhone');
  assert.equal(deviceName('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/124.0 Safari/537.36'), 'Chrome, Linux');
  assert.equal(deviceName('curl/8.1'), 'curl/8.1');
  assert.equal(deviceName(''), '');
});

test('a table whose cells neither break out nor run', () => {
  const text = auditCsv([
    { time: 0, event: 'signin', user: 'ada', peer: '::1', chain: 'f00' },
    { time: 1, event: 'signin.failed', user: '=HYPERLINK("x")', why: 'a,b' },
  ]);
  const lines = text.split('\r\n');
  assert.equal(lines[0], 'time,event,user,peer,why');
  assert.equal(lines[1], '1970-01-01T00:00:00.000Z,signin,ada,::1,');
  assert.equal(lines[2], `1970-01-01T00:00:01.000Z,signin.failed,"'=HYPERLINK(""x"")",,"a,b"`);
});

test('a cell that some spreadsheets cut at another sign holds no formula', () => {
  // Where the list separator is ';' (German Excel), a file of commas is cut at each ';'; a tab is what pasted text is cut at.
  for (const label of ['x;=HYPERLINK("https://evil.example")', 'x; =1+1', 'x\t+1', 'x,@SUM(A1)', 'x\n-1', 'x";"=1', 'x;"=1', '\uff1d1+1', 'x;\u00a0=1']) {
    const row = auditCsv([{ time: 0, event: 'device.trust', user: 'eve', peer: '10.0.0.7', label } as never]).split('\r\n').slice(1).join('\n');
    const begun = row.split(/[;,\t\n]/).map((one) => one.replace(/^[\s"]+/, ''));
    assert.ok(!begun.some((one) => /^[=+\-@\uff1d\uff0b\uff0d\uff20]/.test(one)), row);
  }
  const plain = 'ada; her laptop - the old one';
  assert.ok(auditCsv([{ time: 0, event: 'x', label: plain } as never]).endsWith(`,${plain}\r\n`), 'text stays text');
});
