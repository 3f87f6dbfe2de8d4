// The host keys this user trusts: list, search, remove, and pin by paste. What would believe a changed key wants a proof (B8).

import { ApiError, api } from '../base/api';
import { announce, toast } from '../base/announce';
import { openDialog } from '../base/dialog';
import { h, icon } from '../base/dom';
import { field } from '../base/forms';
import { localized, t } from '../base/text';
import type { HostKey } from '../base/types';
import { agoText, countText, fetched, iconButton, orToast, skippedList, textDrop } from '../start/common';
import { areaField, sent } from '../start/keys';
import { findFingerprint, pieces } from '../start/pieces';
import { goodAddress, placeText, splitPort } from '../start/quick';
import { onePress, withProof } from './parts';

/** Below the box's cap of 64 KiB for a body, with room for the JSON around it. */
const PIECE_BYTES = 48 * 1024;

interface Added {
  added: number;
  skipped: { line: number; why: string }[];
}

export async function openHostKeys(): Promise<void> {
  let keys: HostKey[] | null = null;
  const search = h('input', { type: 'search', class: 'filter', placeholder: t('start.hostkeys.search'), 'aria-label': t('start.hostkeys.search') }) as HTMLInputElement;
  const list = fetched(
    async () => (await api.get<{ host_keys: HostKey[] }>('/api/hostkeys')).host_keys,
    (got, refresh) => keyList((keys = got), search.value, refresh),
  );
  search.addEventListener('input', () => keys && list.root.replaceChildren(keyList(keys, search.value, list.refresh)));
  const button = (label: string, icon_: 'plus' | 'import', run: () => Promise<boolean>): HTMLElement =>
    h('button', { type: 'button', class: icon_ === 'import' ? 'button primary' : 'button', on: { click: onePress(() => run().then((done) => done && list.refresh())) } }, icon(icon_), label);
  const body = h(
    'div',
    { class: 'keys' },
    h('p', { class: 'dialog-lead' }, t('start.hostkeys.lead')),
    h('div', { class: 'toolbar' }, button(t('start.hostkeys.paste'), 'import', pasteKnownHosts), button(t('start.hostkeys.pin'), 'plus', pinFingerprint), search),
    list.root,
  );
  await openDialog({ title: t('start.hostkeys.title'), body, wide: true, actions: [{ label: t('start.close') }] });
}

function keyList(keys: HostKey[], search: string, refresh: () => void): HTMLElement {
  if (keys.length === 0) return h('div', { class: 'empty small' }, h('div', { class: 'empty-art', 'aria-hidden': 'true' }, icon('lock')), h('p', {}, t('start.hostkeys.empty')));
  const words = search.trim().toLowerCase();
  const found = keys.filter((key) => `${placeText(key.address, key.port)} ${key.algorithm ?? ''} ${key.fingerprint}`.toLowerCase().includes(words));
  if (found.length === 0) return h('p', { class: 'nothing', role: 'status' }, t('start.nothing', { search }));
  return h('ul', { class: 'rows' }, ...found.map((key) => keyRow(key, refresh)));
}

function keyRow(key: HostKey, refresh: () => void): HTMLElement {
  const place = placeText(key.address, key.port);
  const end = key.global
    ? h('span', { class: 'badge', title: t('start.hostkeys.global.why') }, t('start.hostkeys.global'))
    : iconButton('trash', t('start.hostkeys.remove', { place }), onePress(() => remove(key, place).then((done) => done && refresh())));
  return h(
    'li',
    { class: 'list-row key-row' },
    h('span', { class: 'row-icon', 'aria-hidden': 'true' }, icon('host')),
    h(
      'div',
      { class: 'row-text' },
      h('div', { class: 'row-title' }, place),
      h('div', { class: 'row-sub' }, h('span', {}, key.algorithm ?? t('start.hostkeys.any')), h('span', {}, t('start.hostkeys.added', { ago: agoText(key.added) }))),
      h('code', { class: 'fingerprint' }, key.fingerprint),
    ),
    end,
  );
}

async function remove(key: HostKey, place: string): Promise<boolean> {
  let done = false;
  await orToast(async () => {
    const deed = (proof: string): Promise<void> => api.del(`/api/hostkeys/${key.id}`, { proof });
    done = (await withProof(t('start.hostkeys.remove.title', { place }), t('start.hostkeys.remove.text'), t('start.hostkeys.remove.action'), true, deed)) !== null;
    if (done) toast(t('start.deleted', { name: place }), 'ok');
  });
  return done;
}

/** The box says whether these keys contradict what is trusted; then who sits here proves it. Null: thought better of it. */
async function trust(keys: object, why: string): Promise<Added | null> {
  try {
    return await api.post<Added>('/api/hostkeys', keys);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'proof_needed') throw error;
  }
  const deed = (proof: string): Promise<Added> => api.post<Added>('/api/hostkeys', { ...keys, proof });
  return (await withProof(t('start.hostkeys.change.title'), why, t('start.hostkeys.change.action'), true, deed))?.done ?? null;
}

async function pasteKnownHosts(): Promise<boolean> {
  const area = h('textarea', { id: 'known-hosts', name: 'known_hosts', required: true }) as HTMLTextAreaElement;
  const tools = textDrop(area, { label: t('start.drop.choose'), placeholder: 'server.example ssh-ed25519 AAAAC3Nz…', rows: 9, most: 4 * 1024 * 1024 });
  const form = h('form', { class: 'form' }, h('p', { class: 'dialog-lead' }, t('start.hostkeys.paste.lead')), areaField(area, t('start.hostkeys.paste.field'), tools));
  let told: Added | null = null;
  const shown = openDialog({
    title: t('start.hostkeys.paste.title'),
    body: form,
    wide: true,
    actions: [{ label: t('start.cancel') }, { label: t('start.hostkeys.paste.submit'), kind: 'primary', value: 'saved', submit: async () => (await sent(form, async () => { told = await send(area.value); })) && told !== null }],
  });
  area.focus();
  await shown;
  if (told) await report(told);
  return told !== null;
}

/** Null: not even the first piece, thought better of it. */
async function send(text: string): Promise<Added | null> {
  const all: Added = { added: 0, skipped: [] };
  const parts = pieces(text, PIECE_BYTES);
  for (const [at, piece] of parts.entries()) {
    const told = await trust({ known_hosts: piece.text }, t('start.hostkeys.change.lines'));
    if (told === null) {
      all.skipped.push({ line: piece.before + 1, why: t('start.hostkeys.stopped') });
      return at === 0 ? null : all;
    }
    all.added += told.added;
    all.skipped.push(...told.skipped.map((one) => ({ line: one.line + piece.before, why: localized(one.why) })));
    if (parts.length > 1) announce(t('start.progress', { done: at + 1, all: parts.length }));
  }
  return all;
}

/** What was taken and, line by line, what was not and why. */
async function report(told: Added): Promise<void> {
  if (told.skipped.length === 0) return toast(countText('start.hostkeys.taken', told.added), 'ok');
  const body = h(
    'div',
    {},
    h('p', { class: 'dialog-lead' }, countText('start.hostkeys.taken', told.added), ' ', countText('start.hostkeys.left', told.skipped.length)),
    skippedList(told.skipped.map((one) => ({ line: one.line, text: '', why: localized(one.why) }))),
  );
  await openDialog({ title: t('start.hostkeys.paste.title'), body, actions: [{ label: t('start.done'), kind: 'primary', value: 'done' }] });
}

async function pinFingerprint(): Promise<boolean> {
  const address = field({ label: t('start.host.address'), name: 'address', required: true, autocomplete: 'off', hint: t('start.hostkeys.pin.address.hint') });
  const print = field({ label: t('start.hostkeys.pin.field'), name: 'fingerprint', required: true, autocomplete: 'off', hint: t('start.hostkeys.pin.hint') });
  const form = h('form', { class: 'form' }, h('p', { class: 'dialog-lead' }, t('start.hostkeys.pin.lead')), address.root, print.root);
  const save = (): boolean | Promise<boolean> => {
    const place = splitPort(address.input.value.trim());
    const fingerprint = findFingerprint(print.input.value);
    address.setError(place && goodAddress(place.address) ? null : t('start.host.address.bad'));
    print.setError(fingerprint ? null : t('start.hostkeys.pin.bad'));
    if (!place || !fingerprint) {
      (place ? print : address).input.focus();
      return false;
    }
    const why = t('start.hostkeys.change.text', { place: placeText(place.address, place.port), fingerprint });
    return take({ address: place.address, port: place.port, fingerprint }, why);
  };
  const take = async (key: object, why: string): Promise<boolean> => {
    let told: Added | null = null;
    return (await sent(form, async () => { told = await trust(key, why); })) && told !== null;
  };
  const shown = openDialog({ title: t('start.hostkeys.pin.title'), body: form, actions: [{ label: t('start.cancel') }, { label: t('start.hostkeys.pin.submit'), kind: 'primary', value: 'saved', submit: save }] });
  address.input.focus();
  const value = await shown;
  if (value === 'saved') toast(countText('start.hostkeys.taken', 1), 'ok');
  return value === 'saved';
}
