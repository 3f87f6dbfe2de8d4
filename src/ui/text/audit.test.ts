import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import de from './audit.de';
import en from './audit.en';
import people from './people.en';

/** Where the audit is written. `npm test` runs beside the page. */
const SOURCE = join(process.cwd(), '..');
const ALL = sources(SOURCE);
const WRITERS = ALL.filter((text) => /audit::note|users::note|note_with\(|fn tell_gap/.test(text));

/** Pairs that are no fields: the ways to sign in of who has passkeys. */
const NO_FIELDS = ['code', 'passkey'];

test('every field of the audit has a word', () => {
  const pairs = WRITERS.flatMap((text) => found(text, /(?<![\w!])\("([a-z_]+)", (?!Deed::)/g));
  const fields = [...new Set(pairs)].filter((field) => !NO_FIELDS.includes(field));
  assert.ok(fields.length > 25 && fields.includes('invited_by'), fields.join());
  same('audit.field.', fields);
});

test('every event of the audit has a word', () => {
  const direct = WRITERS.flatMap((text) => found(text, /\b(?:note|note_with|note_surely|note_stranger)\((?:\w+, )*"([a-z.-]+)"/g));
  const chosen = WRITERS.flatMap((text) => found(text, /let event =([^;]*);/g)).flatMap((text) => found(text, /"([a-z]+\.?[a-z.-]*)"/g));
  const ordered = ALL.flatMap((text) => found(text, /\("([a-z-]+)", Deed::/g)).map((word) => `cli.user.${word}`);
  const events = [...new Set([...direct, ...chosen, ...ordered, 'audit.gap'])];
  assert.ok(events.length > 60 && events.includes('hostkey.replace'), events.join());
  assert.deepEqual(events.filter((event) => !Object.hasOwn(people, `people.event.${event}`)), []);
});

test('every end of a terminal has a word', () => {
  same('audit.value.reason.', ['ssh', 'bridge'].flatMap((room) => sources(join(SOURCE, room))).flatMap((text) => found(text, /(?:failure\(|plain\(|reason: )\s*"([a-z_-]+)"/g)));
});

test('every deed that wants a proof has words', () => {
  const deeds = sources(join(SOURCE, 'api')).flatMap((text) => {
    const told = [...found(text, /\bprove\(\s*context,\s*request,[^;]*?"([^"]+)"/g), ...found(text, /let what =\s*format!\(\s*"([^"]+)"/g)];
    return told.map((deed) => deed.replace(/\{\w*\}/g, '{}'));
  });
  const removed = sources(join(SOURCE, 'api')).flatMap((text) => found(text, /prove_removal\(context, request, "(\w+)"/g));
  assert.ok(deeds.includes('remove {} {}') && removed.length === 3, `${deeds.join()} / ${removed.join()}`);
  same('audit.value.what.', [...deeds.filter((deed) => deed !== 'remove {} {}'), ...removed.map((kind) => `remove ${kind} {}`)]);
});

test('every flaw of a passkey that is shown has words', () => {
  const [passkeys, webauthn] = ['passkeys.rs', 'webauthn.rs'].map((name) => production(readFileSync(join(SOURCE, 'auth', name), 'utf8')));
  // What a new passkey lacks is not written down.
  const shown = webauthn!.replace(/\npub fn read_made.*?\n\}\n/s, '');
  const flaws = [passkeys!, shown].flatMap((text) => found(text, /(?:Err\(|ok_or\(|map_err\(\|_\| |let short = )"([^"]+ [^"]+)"/g));
  same('audit.value.why.', flaws);
});

test('the words of each other value', () => {
  const word = (room: string, pattern: RegExp): string[] => sources(join(SOURCE, room)).flatMap((text) => found(text, pattern));
  same('audit.value.role.', word('store', /Role::\w+ => "([a-z-]+)"/g));
  same('audit.value.kind.', word('api', /CredentialKind::\w+ => "(\w+)"/g));
  same('audit.value.vault.', word('auth', /let outcome = .*?"(\w+)"/g).concat(word('auth', /let outcome = .*?else \{ "(\w+)"/g)));
  same('audit.value.outcome.', word('app', /\("outcome", if \w+ \{ "(\w+)"/g).concat(word('app', /\("outcome", if .*? else \{ "(\w+)"/g)));
  same('audit.value.with.', word('auth', /\("with", "(\w+)"\)/g));
  const nobody = word('auth', /"(\([a-z ]+\))"/g);
  same('audit.value.user.', nobody);
  same('audit.value.invited_by.', nobody.filter((one) => one !== '(unknown)'));
});

test('the same is put into both languages', () => {
  const count = (text: string): number => text.split('{}').length;
  for (const [key, text] of Object.entries(en)) assert.deepEqual([count(text), count(de[key as keyof typeof en])], [count(key), count(key)], key);
});

/** As many as the source says, and no others. */
function same(prefix: string, told: string[]): void {
  const words = Object.keys(en).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  assert.deepEqual(words.sort(), [...new Set(told)].sort());
}

function found(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((one) => one[1]!);
}

function production(text: string): string {
  return text.split('#[cfg(test)]\nmod tests {')[0]!.replace(/^\s*\/\/.*$/gm, '');
}

function sources(place: string): string[] {
  return readdirSync(place, { withFileTypes: true }).flatMap((entry) => {
    const path = join(place, entry.name);
    if (entry.isDirectory()) return entry.name === 'tests' || entry.name === 'ui' || entry.name === 'live' ? [] : sources(path);
    return entry.name.endsWith('.rs') && entry.name !== 'tests.rs' ? [production(readFileSync(path, 'utf8'))] : [];
  });
}
