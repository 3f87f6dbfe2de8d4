// Installable; and without the box, the page still opens and says so. Under a certificate that the browser trusts, which this browser is told
// to do: service workers exist under no other.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible } from './hands.mjs';
import { WIDE, claimed, footbridge, launch, leave, shot, signIn } from './world.mjs';

let box;
let trusting;

before(async () => {
  box = await footbridge();
  await claimed(box);
  trusting = await launch('--ignore-certificate-errors');
});
after(leave);

test('the page can be installed, and opens without the box to say that it is away', async () => {
  const context = await trusting.newContext({ viewport: WIDE, locale: 'en-US', colorScheme: 'dark' });
  const page = await context.newPage();
  await page.goto(box.url);
  const manifest = await page.evaluate(async () => (await fetch(document.querySelector('link[rel="manifest"]').href)).json());
  assert.ok(manifest.name && manifest.icons.length > 0 && manifest.start_url && manifest.display === 'standalone', JSON.stringify(manifest));
  await signIn(page);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  // Once more, so that the worker is the one that fetches.
  await page.reload();
  await page.locator('.work').waitFor();
  const kept = await page.evaluate(async () => (await Promise.all((await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname)))).flat());
  assert.ok(kept.includes('/'), `the shell is kept: ${kept}`);
  assert.deepEqual(kept.filter((path) => path.startsWith('/api')), [], 'nothing that the box answers is kept');

  await box.stop();
  await page.reload();
  await page.getByText(/cannot be reached/i).first().waitFor();
  await shot(page, 'offline');
  await accessible(page, 'offline');

  await box.start();
  await page.getByRole('button', { name: /try again/i }).first().click();
  await page.locator('input[autocomplete="current-password"]').waitFor();
  await context.close();
});
