// Behind a real nginx on a sub-path: the page, its cookie and its terminals live below it; and a proxy that drops the Upgrade header is
// told from a network that is down.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { answers, claim, command, ended, footbridge, freePort, leave, mustEnd, openTerminal, signIn, sshd, temporary, until, visitor } from './world.mjs';

const UPGRADE = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;';
let box;
let server;

before(async () => {
  [box, server] = await Promise.all([footbridge({ FOOTBRIDGE_BASE_PATH: '/footbridge/', FOOTBRIDGE_TRUSTED_PROXIES: '127.0.0.1' }), sshd()]);
});
after(leave);

/** As docs/OPERATING.md has it. `strips`: the proxy takes the path off, or hands it on. */
async function nginx({ upgrade = UPGRADE, strips = true } = {}) {
  const folder = temporary('nginx');
  const port = await freePort();
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem', '-subj', '/CN=nginx', '-days', '2'], { cwd: folder, stdio: 'ignore' });
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ');
  writeFileSync(join(folder, 'conf'), `pid ${folder}/pid; events {} http { access_log off; ${paths} server { listen 127.0.0.1:${port} ssl; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
    location / { return 404; }
    location /footbridge/ { proxy_pass ${box.url}${strips ? '/' : ''}; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; ${upgrade} } } }`);
  const child = spawn('/usr/sbin/nginx', ['-e', 'stderr', '-g', 'daemon off; master_process off;', '-c', join(folder, 'conf')], { stdio: 'ignore' });
  const close = mustEnd(() => ended(child), () => child.kill());
  await until(() => answers(port), 'nginx does not listen');
  return { url: `https://127.0.0.1:${port}/footbridge/`, code: box.code, close };
}

test('claim, sign-in and a terminal below a path, and the cookie stays there', async () => {
  const proxy = await nginx();
  // `visitor` fails on whatever is asked outside of `url`.
  const { page, context, close } = await visitor(proxy);
  await page.getByLabel(/code/i).first().waitFor();
  await claim(page, proxy);
  const cookies = await context.cookies();
  assert.deepEqual(cookies.map(({ name, path, secure, httpOnly, sameSite }) => ({ name, path, secure, httpOnly, sameSite })), [{ name: '__Secure-footbridge', path: '/footbridge/', secure: true, httpOnly: true, sameSite: 'Strict' }]);
  await page.keyboard.press('Escape');
  await openTerminal(page, server);
  await command(page, 'echo $((6*7))', '42');
  await page.reload();
  await page.locator('.work').waitFor();
  await close();
  await proxy.close();
});

test('a proxy that hands the path on does as well', async () => {
  const proxy = await nginx({ strips: false });
  const { page, close } = await visitor(proxy);
  await signIn(page);
  await page.keyboard.press('Control+Shift+H');
  await openTerminal(page, server, { known: true });
  await command(page, 'echo $((6*7))', '42');
  await close();
  await proxy.close();
});

test('a proxy that drops the Upgrade header is said to', async () => {
  const proxy = await nginx({ upgrade: '' });
  const { page, close } = await visitor(proxy);
  await signIn(page);
  await page.keyboard.press('Control+Shift+H');
  await page.locator('.start input[type="search"], .start input').first().fill(`nobody@127.0.0.1:${server.port}`);
  await page.keyboard.press('Enter');
  await page.getByText('drops the Upgrade header').first().waitFor();
  await close();
  await proxy.close();
});
