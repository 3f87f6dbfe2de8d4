// Keys and passwords for hosts: the list, the ways to add one, and what to do with a new public key.

import { ApiError, api } from '../base/api';
import { toast } from '../base/announce';
import { openDialog, confirmDanger } from '../base/dialog';
import { h, icon } from '../base/dom';
import { field, showProblem } from '../base/forms';
import { untouched } from '../base/late';
import { t } from '../base/text';
import type { Credential, Host, Place } from '../base/types';
import { agoText, copyBox, copyText, countText, fetched, iconButton, openMenu, orToast, textDrop } from './common';
import type { MenuItem } from './common';
import { passwordField } from './entry';
import { hostTitle } from './hostlist';
import { dropbearLine, installLine } from './install';
import { placeText } from './quick';

export type NewKind = 'key' | 'password' | 'generate';

export async function openKeys(): Promise<void> {
  const list = fetched(keysAndHosts, ([credentials, hosts], refresh) => (credentials.length === 0 ? noKeys() : h('ul', { class: 'rows' }, ...credentials.map((one) => keyRow(one, hosts, refresh)))));
  const add = (kind: NewKind): void => void addCredential(kind).then((made) => made && list.refresh());
  const body = h(
    'div',
    { class: 'keys' },
    h('p', { class: 'dialog-lead' }, t('start.keys.lead')),
    h(
      'div',
      { class: 'toolbar' },
      h('button', { type: 'button', class: 'button primary', on: { click: () => add('generate') } }, icon('plus'), t('start.keys.generate')),
      h('button', { type: 'button', class: 'button', on: { click: () => add('key') } }, icon('import'), t('start.keys.import')),
      h('button', { type: 'button', class: 'button', on: { click: () => add('password') } }, icon('lock'), t('start.keys.password')),
    ),
    list.root,
    whenOpened(),
  );
  await openDialog({ title: t('start.keys.title'), body, wide: true, actions: [{ label: t('start.close') }] });
}

/** docs/THREATS.md has the same rows, each with its test. */
const STEPS = ['signin', 'lock', 'signout', 'password', 'reset', 'discard', 'disabled', 'deleted', 'restart', 'stolen'] as const;

function whenOpened(): HTMLElement {
  const head = h('tr', {}, h('th', { scope: 'col' }, t('start.keys.when.step')), h('th', { scope: 'col' }, t('start.keys.when.then')));
  const rows = STEPS.map((step) => h('tr', {}, h('th', { scope: 'row' }, t(`start.keys.when.${step}`)), h('td', {}, t(`start.keys.when.${step}.then`))));
  return h('details', { class: 'entry-help keys-when' }, h('summary', {}, icon('lock'), t('start.keys.when'), icon('chevron')), h('table', {}, h('thead', {}, head), h('tbody', {}, ...rows)));
}

async function keysAndHosts(): Promise<[Credential[], Host[]]> {
  const [{ credentials }, { hosts }] = await Promise.all([api.get<{ credentials: Credential[] }>('/api/credentials'), api.get<{ hosts: Host[] }>('/api/hosts')]);
  return [credentials, hosts];
}

function noKeys(): HTMLElement {
  return h('div', { class: 'empty small' }, h('div', { class: 'empty-art', 'aria-hidden': 'true' }, icon('key')), h('p', {}, t('start.keys.empty')));
}

function keyRow(one: Credential, hosts: Host[], refresh: () => void): HTMLElement {
  const menu = iconButton('more', t('start.menu.of', { name: one.label }), () => openMenu(menu, one.label, keyMenu(one, hosts, refresh)));
  menu.setAttribute('aria-haspopup', 'menu');
  const detail = one.kind === 'password' ? t('start.keys.kind.password') : (one.algorithm ?? '');
  return h(
    'li',
    { class: 'list-row key-row' },
    h('span', { class: 'row-icon', 'aria-hidden': 'true' }, icon(one.kind === 'password' ? 'lock' : 'key')),
    h(
      'div',
      { class: 'row-text' },
      h('div', { class: 'row-title' }, one.label || t('start.keys.unnamed')),
      h('div', { class: 'row-sub' }, h('span', {}, detail), h('span', {}, usedText(one.used_by)), h('span', {}, lastUsedText(one))),
      one.fingerprint ? h('code', { class: 'fingerprint' }, one.fingerprint) : null,
      one.sent_to.length > 0 ? h('div', { class: 'row-sub' }, h('span', {}, placesText(one))) : null,
    ),
    menu,
  );
}

function usedText(count: number): string {
  return count === 0 ? t('start.keys.used.none') : countText('start.keys.used', count);
}

function lastUsedText(one: Credential): string {
  return one.last_used === null ? t('start.keys.last.never') : t('start.keys.last', { ago: agoText(one.last_used) });
}

/** The newest first, and not all of a hundred. */
function placesText(one: Credential): string {
  const names = one.sent_to.map((place) => placeText(place.address, place.port)).reverse();
  return t('start.keys.places.to', { places: names.slice(0, 4).join(', ') + (names.length > 4 ? ' …' : '') });
}

function keyMenu(one: Credential, hosts: Host[], refresh: () => void): MenuItem[] {
  const publicKey = one.public_key;
  const items: MenuItem[] = [];
  if (publicKey) {
    items.push({ label: t('start.keys.copy'), icon: 'copy', run: () => void copyText(publicKey) });
    items.push({ label: t('start.keys.install'), icon: 'terminal', run: () => void showPublicKey(one) });
  }
  if (one.sent_to.length > 0) items.push({ label: t('start.keys.places'), icon: 'host', run: () => void showPlaces(one).then(refresh) });
  items.push({ label: t('start.rename'), icon: 'edit', run: () => void rename(one).then((done) => done && refresh()) });
  items.push({ label: t('start.delete'), icon: 'trash', danger: true, run: () => void remove(one, hosts).then((done) => done && refresh()) });
  return items;
}

async function rename(one: Credential): Promise<boolean> {
  const label = field({ label: t('start.keys.label'), name: 'label', value: one.label, required: true, autocomplete: 'off' });
  const form = h('form', { class: 'form' }, label.root);
  const changed = await openDialog({
    title: t('start.keys.rename.title'),
    body: form,
    actions: [
      { label: t('start.cancel') },
      { label: t('start.save'), kind: 'primary', value: 'saved', submit: () => sent(form, () => api.put(`/api/credentials/${one.id}`, { label: label.input.value.trim() })) },
    ],
  });
  return changed === 'saved';
}

/** Where this password may go; what is taken off is asked about again. */
async function showPlaces(one: Credential): Promise<void> {
  const list = h('ul', { class: 'rows' });
  const show = (places: Place[]): void => {
    list.replaceChildren(...[...places].reverse().map(row));
  };
  const row = (place: Place): HTMLElement => {
    const name = placeText(place.address, place.port);
    const off = iconButton('trash', t('start.keys.places.remove', { place: name }), () => void orToast(() => takeOff(place)));
    return h('li', { class: 'list-row key-row' }, h('span', { class: 'row-icon', 'aria-hidden': 'true' }, icon('host')), h('div', { class: 'row-text' }, h('code', { class: 'fingerprint' }, name)), off);
  };
  const takeOff = async (place: Place): Promise<void> => {
    const stay = one.sent_to.filter((other) => other !== place);
    one = await api.put<Credential>(`/api/credentials/${one.id}`, { label: one.label, sent_to: stay });
    show(one.sent_to);
    toast(t('start.deleted', { name: placeText(place.address, place.port) }), 'ok');
  };
  show(one.sent_to);
  const body = h('div', { class: 'keys' }, h('p', { class: 'dialog-lead' }, t('start.keys.places.lead')), list);
  await openDialog({ title: t('start.keys.places.title', { name: one.label || t('start.keys.unnamed') }), body, actions: [{ label: t('start.close') }] });
}

async function remove(one: Credential, hosts: Host[]): Promise<boolean> {
  const users = hosts.filter((host) => host.credential_id === one.id);
  const names = users.slice(0, 6).map(hostTitle).join(', ') + (users.length > 6 ? ' …' : '');
  const text = users.length === 0 ? t('start.keys.delete.unused') : t('start.keys.delete.used', { hosts: names });
  if (!(await confirmDanger({ title: t('start.keys.delete.title', { name: one.label }), text, action: t('start.delete') }))) return false;
  await orToast(async () => {
    await api.del(`/api/credentials/${one.id}`);
    toast(t('start.deleted', { name: one.label }), 'ok');
  });
  return true;
}

/** Sends a form's request for a dialog: true closes it, a refusal stays beside its field. */
export async function sent(form: HTMLElement, work: () => Promise<unknown>): Promise<boolean> {
  showProblem(form, null);
  const here = untouched();
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showProblem(form, error, !here());
    return false;
  }
}

/** Asks for a new credential and stores it; null when the person thought better of it. A password that is typed for a place goes there. */
export async function addCredential(kind: NewKind, place: Place | null = null): Promise<Credential | null> {
  if (kind === 'generate') return generate();
  return kind === 'key' ? importKey() : addPassword(place);
}

async function ask(title: string, form: HTMLElement, action: string, read: () => object, focus?: HTMLElement): Promise<Credential | null> {
  let made: Credential | null = null;
  const shown = openDialog({
    title,
    body: form,
    actions: [
      { label: t('start.cancel') },
      {
        label: action,
        kind: 'primary',
        value: 'saved',
        submit: () =>
          sent(form, async () => {
            made = await api.post<Credential>('/api/credentials', read());
          }),
      },
    ],
  });
  focus?.focus();
  await shown;
  return made;
}

function labelField(value: string): ReturnType<typeof field> {
  return field({ label: t('start.keys.label'), name: 'label', value, required: true, autocomplete: 'off', hint: t('start.keys.label.hint') });
}

async function generate(): Promise<Credential | null> {
  const label = labelField(t('start.keys.generate.name'));
  const form = h('form', { class: 'form' }, h('p', { class: 'dialog-lead' }, t('start.keys.generate.lead')), label.root);
  const read = (): object => ({ label: label.input.value.trim(), kind: 'generate' });
  const made = await ask(t('start.keys.generate.title'), form, t('start.keys.generate.submit'), read, label.input);
  if (made) await showPublicKey(made);
  return made;
}

async function addPassword(place: Place | null): Promise<Credential | null> {
  const label = labelField('');
  const password = passwordField({ label: t('start.keys.password.field'), name: 'password', autocomplete: 'new-password' });
  // The browser's own store is not asked to keep this: it is a host's password, and the box keeps it sealed.
  password.input.setAttribute('autocomplete', 'off');
  password.input.setAttribute('data-1p-ignore', 'true');
  const lead = place ? t('start.keys.password.lead.for', { place: placeText(place.address, place.port) }) : t('start.keys.password.lead');
  const form = h('form', { class: 'form' }, h('p', { class: 'dialog-lead' }, lead), label.root, password.root);
  const read = (): object => ({ label: label.input.value.trim(), kind: 'password', password: password.input.value, ...place });
  return ask(t('start.keys.password.title'), form, t('start.save'), read, label.input);
}

async function importKey(): Promise<Credential | null> {
  const label = labelField('');
  const area = h('textarea', { id: 'private-key', name: 'private_key', required: true }) as HTMLTextAreaElement;
  const tools = textDrop(area, { label: t('start.drop.choose'), placeholder: '-----BEGIN OPENSSH PRIVATE KEY-----', rows: 7, most: 32768 });
  const passphrase = passwordField({ label: t('start.keys.passphrase'), name: 'passphrase', autocomplete: 'current-password', hint: t('start.keys.passphrase.hint') });
  passphrase.input.removeAttribute('required');
  passphrase.input.setAttribute('autocomplete', 'off');
  const key = areaField(area, t('start.keys.import.field'), tools);
  const form = h('form', { class: 'form' }, h('p', { class: 'dialog-lead' }, t('start.keys.import.lead')), label.root, key, passphrase.root);
  const read = (): object => ({
    label: label.input.value.trim(),
    kind: 'key',
    private_key: area.value,
    passphrase: passphrase.input.value === '' ? null : passphrase.input.value,
  });
  return ask(t('start.keys.import.title'), form, t('start.keys.import.submit'), read, label.input);
}

/** A text area in the clothes of `field`, with its tools below. */
export function areaField(area: HTMLTextAreaElement, label: string, tools: HTMLElement): HTMLElement {
  const error = h('p', { class: 'field-error', id: `${area.id}-error` });
  area.setAttribute('aria-describedby', error.id);
  return h('div', { class: 'field', 'data-field': area.name }, h('label', { for: area.id }, label), area, error, tools);
}

export async function showPublicKey(one: Credential): Promise<void> {
  const key = one.public_key ?? '';
  const body = h(
    'div',
    { class: 'public-key' },
    h('p', { class: 'dialog-lead' }, t('start.keys.public.lead')),
    copyBox(t('start.keys.public.line'), key),
    copyBox(t('start.keys.public.install'), installLine(key)),
    h('details', {}, h('summary', {}, icon('chevron'), t('start.keys.public.dropbear')), copyBox(t('start.keys.public.install'), dropbearLine(key))),
    h('p', { class: 'hint' }, t('start.keys.public.safe')),
  );
  await openDialog({ title: t('start.keys.public.title', { name: one.label }), body, wide: true, actions: [{ label: t('start.done'), kind: 'primary', value: 'done' }] });
}
