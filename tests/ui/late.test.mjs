// An answer of the box may come when whoever waited for it has gone elsewhere: it takes neither the focus nor the front nor what is typed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, boxAndHost, endAll, guest, openHost } from './hands.mjs';
import { until } from './world.mjs';

const there = boxAndHost();

test('the tabs of before are back after a reload, though the box never heard of the last change', async () => {
  const { page, close } = await guest(there.box);
  await page.route('**/api/preferences', (route) => (route.request().method() === 'PUT' ? route.abort() : route.continue()));
  await openHost(page, 'bench');
  await page.keyboard.press('Control+Shift+E');
  await until(async () => (await page.locator('.pane[data-state="live"]').count()) === 2, 'two terminals');
  await page.reload();
  await until(async () => (await page.locator('.pane[data-state="live"]').count()) === 2, 'the layout is lost');
  // It goes to the box all the same; and what another device has changed since is newer.
  await page.unroute('**/api/preferences');
  const kept = async () => (await ask(page, 'GET', '/api/preferences')).preferences;
  await until(async () => (await kept()).layout?.tabs.length === 1, 'the box does not hear of it');
  const { layout, ...rest } = await kept();
  await ask(page, 'PUT', '/api/preferences', { preferences: { ...rest, layout: { ...layout, front: -1 }, changed: rest.changed + 1 } });
  await page.reload();
  await page.locator('.start').waitFor();
  await endAll(page);
  await close();
});
