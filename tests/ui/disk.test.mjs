// A disk that its kernel has made read-only, as with a worn card: the page says so in words, keeps what was typed, and what runs goes on.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { accessible, dialog, openHost, readyHost } from './hands.mjs';
import { PHONE, claimed, command, footbridge, leave, mustEnd, seen, shot, signIn, sshd, temporary, visitor } from './world.mjs';

const folder = temporary('disk');
const place = join(folder, 'disk');
let box;
let server;

before(async () => {
  const image = join(folder, 'image');
  writeFileSync(image, '');
  truncateSync(image, 24 << 20);
  mkdirSync(place);
  execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
  execFileSync('mount', ['-o', 'loop,errors=remount-ro', image, place]);
  const unmount = () => execFileSync('umount', ['-l', place]);
  mustEnd(unmount, unmount);
  [box, server] = await Promise.all([footbridge({ FOOTBRIDGE_DATA: join(place, 'data'), FOOTBRIDGE_AUDIT_REQUIRED: 'on' }), sshd()]);
  await claimed(box);
});
after(leave);

/** As the kernel does it after an error of the card. */
function becomeReadOnly() {
  const device = execFileSync('findmnt', ['-no', 'SOURCE', place], { encoding: 'utf8' }).trim();
  writeFileSync(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, '1');
}

test('a terminal that would go unnoted is refused in words, and one that runs goes on', async () => {
  const { page, close } = await visitor(box, { viewport: PHONE, hasTouch: true });
  await signIn(page);
  await readyHost(page, server);
  await page.reload();
  await openHost(page, 'bench');
  await seen(page, '$');
  becomeReadOnly();
  await command(page, 'echo on-$((40+2))', 'on-42');

  await page.keyboard.press('Control+Shift+H');
  await page.locator('.search-input').fill('bench');
  await page.locator('.host-row', { hasText: 'bench' }).first().waitFor();
  await page.keyboard.press('Enter');
  await page.getByText('audit log cannot be written').first().waitFor();
  await shot(page, 'audit-unwritable-phone');
  await accessible(page);
  await close();
});

test('what cannot be stored stays in its form, with the reason', async () => {
  const { page, close } = await visitor(box);
  await signIn(page);
  await page.keyboard.press('Control+Shift+H');
  await page.getByRole('button', { name: 'Add host' }).first().click();
  await dialog(page).getByLabel('Address').fill('192.0.2.9');
  await dialog(page).getByLabel('User on the host').fill('root');
  await dialog(page).getByRole('button', { name: 'Save', exact: true }).click();
  await dialog(page).getByText('disk has become read-only').waitFor();
  assert.equal(await dialog(page).getByLabel('Address').inputValue(), '192.0.2.9');
  await shot(page, 'disk-read-only');
  await accessible(page);
  await close();
});
