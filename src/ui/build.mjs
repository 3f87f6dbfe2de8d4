// Builds the page into dist/: one script, one style sheet, both named by their content, everything as FILE.gz for build.rs.
// `node build.mjs test` bundles each *.test.ts and runs it under node's own test runner instead.

import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** All compressed bytes of the page; above this the build fails (docs/UI.md). */
const BUDGET_BYTES = 260 * 1024;

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');

if (process.argv[2] === 'test') process.exit(await test());
await page();

async function page() {
  const script = await bundle('main.ts', 'js');
  const style = await bundle('style/main.css', 'css');
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  const names = { script: named('page', 'js', script), style: named('page', 'css', style) };
  const version = names.script + names.style;
  const files = new Map([[names.script, script], [names.style, style]]);
  files.set('index.html', fill(read('index.html'), names));
  for (const file of readdirSync(join(here, 'static'))) files.set(file, fill(read(join('static', file)), { ...names, version }));
  let total = 0;
  for (const [name, content] of files) total += write(name, content);
  console.log(`page: ${(total / 1024).toFixed(1)} KiB compressed, budget ${BUDGET_BYTES / 1024} KiB`);
  if (total > BUDGET_BYTES) process.exit(1);
}

async function bundle(entry, kind) {
  const made = await build({
    entryPoints: [join(here, entry)], bundle: true, minify: true, write: false, charset: 'utf8', legalComments: 'none',
    target: ['chrome114', 'firefox125', 'safari17'], logLevel: 'warning', ...(kind === 'js' ? { format: 'esm' } : {}),
  });
  return made.outputFiles[0].text;
}

/** build.rs takes eight capital letters and digits after the last dash for a name that never changes its content. */
function named(stem, kind, text) {
  return `${stem}-${createHash('sha256').update(text).digest('hex').slice(0, 8).toUpperCase()}.${kind}`;
}

function fill(text, names) {
  return text.replace(/%(\w+)%/g, (whole, key) => names[key] ?? whole);
}

function read(file) {
  return readFileSync(join(here, file), 'utf8');
}

function write(name, content) {
  const bytes = gzipSync(content, { level: 9 });
  writeFileSync(join(dist, `${name}.gz`), bytes);
  console.log(`  ${name.padEnd(26)} ${(bytes.length / 1024).toFixed(1)} KiB`);
  return bytes.length;
}

async function test() {
  const out = mkdtempSync(join(tmpdir(), 'footbridge-page-'));
  const tests = testFiles(here);
  await build({ entryPoints: tests, bundle: true, outdir: out, entryNames: '[name]', format: 'esm', platform: 'node', outExtension: { '.js': '.mjs' }, logLevel: 'warning' });
  const ran = spawnSync(process.execPath, ['--test', ...tests.map((file) => join(out, basename(file, '.ts') + '.mjs'))], { stdio: 'inherit', timeout: 120_000 });
  rmSync(out, { recursive: true, force: true });
  return ran.status ?? 1;
}

function testFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return ['node_modules', 'dist'].includes(entry.name) ? [] : testFiles(join(folder, entry.name));
    return entry.name.endsWith('.test.ts') ? [join(folder, entry.name)] : [];
  });
}
