import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { translated } from '../base/translate';
import box from './box.de';

/** Where what the box says to a person is written. `npm test` runs beside the page. */
const SOURCE = join(process.cwd(), '..');
const SPEAKS = ['api', 'auth', 'bridge', 'ssh', 'store/mod.rs', 'web/guard.rs', 'web/mod.rs'];
/** Sentences stand in these too, among others that only the command line or the log shows. */
const RC = '../firmware-image/rootfs/etc/rc';
const SPEAKS_TOO = ['app/update.rs', 'app/backup.rs', RC];

/** What only another program than the page can be told, and a part that is not shown. */
const FOR_PROGRAMS = [
  'See docs/API.md for what this route takes.',
  'These fields do not belong to this kind of credential.',
  'Send known_hosts, or address, port and fingerprint.',
  'Send a recovery_code, or "discard": true, and not both.',
  'Send it again with a new token of POST /api/form.',
  'Send host_id (with a proof also address and port), or address and user (and port, credential_id).',
  'The body {} (line {}, column {}).',
  'The offset is not a number.',
  'This piece does not begin where the last one ended, or is too long.',
  '{} bytes are there.',
  'This is not Base64.',
  'This route does not take this method.',
  'A body is application/json.',
  'This route wants an upgrade to a WebSocket.',
  'If a proxy stands in between, it must pass the Upgrade and Connection headers on.',
  'Only version 13 of the WebSocket protocol is spoken here.',
  "The upgrade's key is not 16 bytes in Base64, or something follows it.",
  'The shell exited with status {}.',
  'The shell was ended by signal {}.',
  'Argon2id failed; is there enough memory?',
];

test('every sentence of the box is there in German', () => {
  const missing = sentences().filter((one) => !FOR_PROGRAMS.includes(one) && !Object.keys(box).some((key) => key === one || instance(key, one)));
  assert.deepEqual(missing, []);
});

test('every step of a beginning terminal is there in German', () => {
  const steps = ['bridge', 'ssh'].flatMap((place) => files(join(SOURCE, place))).flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/(?:progress\(|detail = )"([^"]+)"/g)].map((found) => found[1]!));
  assert.ok(steps.length >= 6, steps.join());
  assert.deepEqual(steps.filter((step) => !Object.hasOwn(box, step)), []);
});

test('how an update of the image ended is there in German', () => {
  const told = ['update', 'watch'].map((name) => join(SOURCE, RC, name)).flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/(?:refuse|refuse_written|rest=) ?"([^"]*)"|"(refused - [^"]*)"/g)].map((found) => filled(found[1] ?? found[2]!)));
  const endings = told.filter((one) => one !== '{}');
  assert.ok(endings.length >= 12, endings.join());
  assert.deepEqual(endings.filter((one) => !Object.hasOwn(box, one)), []);
});

test('nothing is there that the box does not say', () => {
  const told = [...SPEAKS, ...SPEAKS_TOO].flatMap(literals);
  const unsaid = [...Object.keys(box), ...FOR_PROGRAMS].filter((key) => !told.some((one) => one === key || worded(one) === key || instance(key, one) || instance(key, worded(one))));
  assert.deepEqual(unsaid, []);
});

test('the same is put into both languages', () => {
  const count = (text: string): number => text.split('{}').length;
  for (const [english, german] of Object.entries(box)) assert.equal(count(german), count(english), english);
});

test('what is put in comes through, and what is not known stays', () => {
  const say = (sentence: string): string => translated(sentence, box);
  assert.equal(say('Sign in again.'), 'Melde dich neu an.');
  assert.equal(say('"nas $& {}" port 22 cannot be reached: no route.'), '"nas $& {}" Port 22 ist nicht erreichbar: no route.');
  assert.equal(say("The host's key could not be written down, and nothing was sent to it. The box's disk is full, so nothing was changed."), 'Der Schlüssel des Hosts konnte nicht festgehalten werden, und es wurde nichts an ihn gesendet. Die Platte der Box ist voll; es wurde nichts geändert.');
  assert.equal(say('the new program does not serve (for 60 seconds: nothing answers); the previous one is back and serves'), 'das neue Programm antwortet nicht (for 60 seconds: nothing answers); das vorige ist wieder da und antwortet');
  for (const other of ['', 'toString', '__proto__', 'Something else.', 'The name  cannot be resolved.']) assert.equal(say(other), other);
});

/** English sentences as they stand in the source, `{}` for whatever is put in. */
function sentences(): string[] {
  const all = SPEAKS.flatMap(literals).filter((text) => /^[A-Z{].*[.?!]$/s.test(text) && /\w \w/.test(text.replace('{}', 'x')));
  assert.ok(all.length > 150, `${all.length} sentences`);
  return [...new Set(all)];
}

function literals(place: string): string[] {
  return files(join(SOURCE, place)).flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    if (!file.endsWith('.rs')) return [...text.matchAll(/"([^"\n]*)"/g)].map((found) => filled(found[1]!));
    const told = text.split('#[cfg(test)]\nmod tests {')[0]!.replace(/^\s*\/\/.*$/gm, '').replace(/\\\n\s*/g, '');
    return [...told.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((found) => found[1]!.replace(/\\(["\\])/g, '$1').replace(/\{\w*(:\?)?\}/g, '{}'));
  });
}

/** A shell's text, `{}` for whatever is put in. */
function filled(text: string): string {
  return text.replace(/^refused - /, '').replace(/\$\w+|\$\{[^}]*\}/g, '{}');
}

function files(place: string): string[] {
  if (place.endsWith('.rs')) return [place];
  return readdirSync(place, { withFileTypes: true }).flatMap((entry) => {
    const path = join(place, entry.name);
    if (entry.isDirectory()) return files(path);
    return entry.name === 'tests.rs' ? [] : [path];
  });
}

/** Is the key what the source's text becomes when something is put in? */
function instance(key: string, source: string): boolean {
  return source.includes('{}') && source.replaceAll('{}', '').length >= 12 && translated(key, { [source]: '' }) === '';
}

/** As `sentence` in src/api/update.rs. */
function worded(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
