// What several of the tests do with the page besides opening terminals.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { ACCOUNT, axeSource, claimed, footbridge, leave, signIn, sshd, until, visitor } from './world.mjs';

/** Somebody signed in. */
export async function guest(box, options = {}) {
  const visit = await visitor(box, options);
  await signIn(visit.page);
  return visit;
}

/** A request as the page makes it: what a test needs to be there, without clicking it together each time. */
export function ask(page, method, path, body) {
  return page.evaluate(async ([method, path, body]) => {
    const { csrf } = await (await fetch('/api/state')).json();
    const headers = { 'Content-Type': 'application/json', 'X-Footbridge-Csrf': csrf };
    const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  }, [method, path, body]);
}

/** A host that asks nothing more: its key is pinned and the password is stored for it. */
export async function readyHost(page, server, more = {}) {
  const stored = (await ask(page, 'GET', '/api/credentials')).credentials.find(({ label }) => label === 'test password');
  const credential = stored ?? (await ask(page, 'POST', '/api/credentials', { label: 'test password', kind: 'password', password: ACCOUNT.password, address: '127.0.0.1', port: server.port }));
  await ask(page, 'POST', '/api/hostkeys', { address: '127.0.0.1', port: server.port, fingerprint: server.fingerprint });
  return ask(page, 'POST', '/api/hosts', { label: 'bench', address: '127.0.0.1', port: server.port, user: ACCOUNT.user, credential_id: credential.id, ...more });
}

/** For a file of tests: a claimed box, and a host that asks nothing more. What is there is there once the tests run. */
export function boxAndHost(settings) {
  const there = {};
  before(async () => {
    [there.box, there.server] = await Promise.all([footbridge(settings), sshd()]);
    await claimed(there.box);
    const { page, close } = await guest(there.box);
    await readyHost(page, there.server);
    await close();
  });
  after(leave);
  return there;
}

/** By the search on the start page. */
export async function openHost(page, label) {
  await page.locator('.work').waitFor();
  // Whatever is in front: a terminal of before may still come back.
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.search-input').fill(label);
  await page.locator('.host-row', { hasText: label }).first().waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.pane.active[data-state="live"]').waitFor();
}

/** As a person chooses it. */
export async function wear(page, theme) {
  await page.keyboard.press('Control+,');
  await page.locator('.settings select').first().selectOption(theme);
  await page.keyboard.press('Escape');
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), theme);
}

/** The box has what another device needs: it is sent a moment after it has changed. */
export async function layoutIsKept(page) {
  const { sessions } = await ask(page, 'GET', '/api/sessions');
  const live = sessions.filter(({ state, viewers }) => state !== 'ended' && viewers > 0).map(({ id }) => id);
  const holds = async () => {
    const kept = JSON.stringify(await ask(page, 'GET', '/api/preferences'));
    return live.every((id) => kept.includes(id));
  };
  await until(holds, 'the layout is not kept');
}

/** The next such request is asked at once; its answer, as the box gave it then, comes to the page with `release`. */
export async function hold(page, url, method = 'GET') {
  let letGo;
  let asked = null;
  const held = new Promise((done) => { letGo = done; });
  const one = async (route) => {
    if (asked !== null || route.request().method() !== method) return route.fallback();
    asked = route.request();
    const response = await route.fetch();
    await held;
    await route.fulfill({ response });
  };
  await page.route(url, one);
  return {
    asked: () => until(() => asked !== null, `${method} ${url} is not asked`),
    /** Done when the page has had the time to do with it what it does. */
    async release() {
      const come = page.waitForEvent('requestfinished', (request) => request === asked);
      letGo();
      await come;
      await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    },
  };
}

/** Every terminal ends. */
export async function endAll(page) {
  const { sessions } = await ask(page, 'GET', '/api/sessions');
  for (const { id, state } of sessions) if (state !== 'ended') await ask(page, 'DELETE', `/api/sessions/${id}`);
}

/** Hosts as a person has them after a year. */
export const NAMES = [
  ['router', '192.168.1.1', 'root', ['home', 'network'], 'teal', true], ['nas', 'nas.local', 'admin', ['home', 'storage'], 'blue', true], ['attic-pi', 'attic.local', 'pi', ['home'], 'green', false],
  ['web-1', 'web-1.example.org', 'deploy', ['production', 'web'], 'red', true], ['web-2', 'web-2.example.org', 'deploy', ['production', 'web'], 'red', false], ['db-primary', 'db-1.example.org', 'postgres', ['production', 'database'], 'red', false],
  ['db-replica', 'db-2.example.org', 'postgres', ['production', 'database'], 'orange', false], ['staging', 'staging.example.org', 'deploy', ['staging'], 'yellow', false], ['build', 'ci.example.org', 'builder', ['staging'], 'purple', false],
  ['mail', 'mx.example.org', 'root', ['production'], '', false], ['garden-sensor', '10.20.0.14', 'sensor', ['field'], 'green', false], ['weather-mast', '10.20.0.15', 'sensor', ['field'], 'green', false],
  ['printer', '192.168.1.40', 'root', ['home'], '', false], ['old-laptop', '192.168.1.61', 'ada', ['home'], '', false], ['switch-cellar', '192.168.1.2', 'admin', ['home', 'network'], 'teal', false], ['vpn', 'vpn.example.org', 'root', ['network'], 'pink', false],
];

export async function manyHosts(page) {
  for (const [label, address, user, tags, colour, favourite] of NAMES) {
    const notes = label === 'db-primary' ? 'Ask Grace before a restart' : label === 'attic-pi' ? 'Behind the water tank' : '';
    await ask(page, 'POST', '/api/hosts', { label, address, user, tags, colour, favourite, notes });
  }
}

/** Nothing serious or critical, by axe-core's rules for WCAG 2.2 AA. */
export async function accessible(page, where) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axeSource());
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations'] });
    return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact)).map(({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => `${html.slice(0, 160)} ${any[0]?.message ?? ''}`).join(' | ').slice(0, 900)}`);
  });
  assert.deepEqual(found, [], where);
}

/** An entry of the menu of whoever is signed in. */
export async function menu(page, name) {
  await page.locator('.work-tools [aria-haspopup="menu"]').click();
  await page.getByRole('menuitem', { name, exact: true }).click();
}

/** The one in front. */
export const dialog = (page) => page.locator('dialog[open]').last();

/** Name and password, and no more: a second factor may follow. */
export async function givePassword(page, who) {
  await page.locator('input[autocomplete="username"]').fill(who.name);
  await page.locator('input[autocomplete="current-password"]').fill(who.password);
  await page.keyboard.press('Enter');
}
