// Add or edit a host.

import { api } from '../base/api';
import { openDialog } from '../base/dialog';
import { h, icon } from '../base/dom';
import { field } from '../base/forms';
import { t } from '../base/text';
import type { Credential, Host, Place } from '../base/types';
import { COLOURS } from './common';
import type { Field } from './entry';
import { hostTitle, readTags } from './hostlist';
import { addCredential, sent } from './keys';
import type { NewKind } from './keys';
import { goodAddress, goodPort, goodUser, parseQuick, splitPort } from './quick';

export type HostDraft = Omit<Host, 'id' | 'created' | 'last_used'>;

export const EMPTY_HOST: HostDraft = {
  label: '', address: '', port: 22, user: '', credential_id: null, tags: [], favourite: false, colour: '', notes: '', osc52: false,
};

export interface HostDialog {
  /** The host to change; without it a new one is made of `draft`. */
  host?: Host;
  draft: HostDraft;
  known: Known;
  /** When the dialog is there before the list: what comes with it. What is typed and chosen by then stays. */
  later?: Promise<Known>;
}

export interface Known {
  credentials: Credential[];
  tags: string[];
}

interface Parts {
  address: Field;
  port: Field;
  user: Field;
  label: Field;
  credential: HTMLSelectElement;
  tags: Field;
  colour: () => string;
  notes: HTMLTextAreaElement;
  favourite: HTMLInputElement;
  osc52: HTMLInputElement;
}

export interface Saved {
  host: Host;
  connect: boolean;
}

export async function hostDialog(options: HostDialog): Promise<Saved | null> {
  const parts = makeParts(options);
  const form = h('form', { class: 'form host-form' }, ...layout(parts, options));
  void options.later?.then(({ credentials, tags }) => {
    const { known } = options;
    known.credentials.push(...credentials.filter((one) => known.credentials.every(({ id }) => id !== one.id)));
    fillCredentials(parts.credential, known.credentials, parts.credential.value);
    form.querySelector('.known-tags')?.replaceWith(tagChips(parts.tags.input, tags));
  });
  let saved: Host | null = null;
  const save = (): Promise<boolean> | boolean => {
    if (!check(parts)) return false;
    return sent(form, async () => {
      const draft = read(parts);
      saved = options.host ? await api.put<Host>(`/api/hosts/${options.host.id}`, draft) : await api.post<Host>('/api/hosts', draft);
    });
  };
  const shown = openDialog({
    title: options.host ? t('start.host.edit', { name: hostTitle(options.host) }) : t('start.host.add'),
    body: form,
    actions: [
      { label: t('start.cancel') },
      { label: t('start.save'), value: 'saved', submit: save },
      { label: t('start.host.connect'), kind: 'primary', value: 'connect', submit: save },
    ],
  });
  if (parts.address.input.value === '') parts.address.input.focus();
  const value = await shown;
  return saved ? { host: saved, connect: value === 'connect' } : null;
}

function makeParts(options: HostDialog): Parts {
  const draft = options.draft;
  const text = (name: string, value: string, more: object = {}): Field =>
    field({ label: t(`start.host.${name}`), name, value, autocomplete: 'off', ...more });
  const parts: Parts = {
    address: text('address', draft.address, { required: true, hint: t('start.host.address.hint') }),
    port: text('port', String(draft.port), { required: true }),
    user: text('user', draft.user, { required: true }),
    label: text('label', draft.label, { hint: t('start.host.label.hint') }),
    credential: credentialSelect(options.known.credentials, draft.credential_id),
    tags: text('tags', draft.tags.join(', '), { hint: t('start.host.tags.hint') }),
    colour: () => draft.colour,
    notes: h('textarea', { id: 'host-notes', name: 'notes', rows: 3, maxlength: 4096 }) as HTMLTextAreaElement,
    favourite: h('input', { type: 'checkbox', id: 'host-favourite', name: 'favourite', checked: draft.favourite }) as HTMLInputElement,
    osc52: h('input', { type: 'checkbox', id: 'host-osc52', name: 'osc52', checked: draft.osc52 }) as HTMLInputElement,
  };
  parts.notes.value = draft.notes;
  for (const one of [parts.address, parts.user]) {
    one.input.setAttribute('autocapitalize', 'none');
    one.input.setAttribute('spellcheck', 'false');
  }
  parts.port.input.setAttribute('inputmode', 'numeric');
  parts.address.input.addEventListener('change', () => spread(parts));
  return parts;
}

/** Somebody pasted `root@10.0.0.1:2222` into the address: each part goes to its own field. */
function spread(parts: Parts): void {
  const text = parts.address.input.value.trim();
  const quick = parseQuick(text);
  const place = quick ?? splitPort(text);
  if (!place) return;
  parts.address.input.value = place.address;
  if (/:\d+$/.test(text) && place.address !== text) parts.port.input.value = String(place.port);
  if (quick) parts.user.input.value = quick.user;
}

export function credentialSelect(credentials: Credential[], chosen: string | null): HTMLSelectElement {
  const select = h('select', { id: 'host-credential', name: 'credential_id' }) as HTMLSelectElement;
  fillCredentials(select, credentials, chosen);
  return select;
}

function fillCredentials(select: HTMLSelectElement, credentials: Credential[], chosen: string | null): void {
  select.replaceChildren(
    h('option', { value: '' }, t('start.host.credential.ask')),
    ...credentials.map((one) => h('option', { value: one.id }, `${one.label || t('start.keys.unnamed')} (${t(`start.keys.short.${one.kind}`)})`)),
  );
  select.value = credentials.some((one) => one.id === chosen) ? (chosen ?? '') : '';
}

function layout(parts: Parts, options: HostDialog): (HTMLElement | null)[] {
  const open = options.host !== undefined || options.draft.tags.length > 0 || options.draft.notes !== '';
  return [
    h('div', { class: 'form-row address-row' }, parts.address.root, parts.port.root),
    parts.user.root,
    credentialField(parts, options.known.credentials),
    parts.label.root,
    h(
      'details',
      { class: 'more-fields', open },
      h('summary', {}, icon('chevron'), t('start.host.more')),
      h('div', { class: 'form' }, parts.tags.root, tagChips(parts.tags.input, options.known.tags), colourField(parts, options.draft.colour), notesField(parts.notes), ...checks(parts)),
    ),
  ];
}

/** Where the form leads by now; null while it says nothing that can be reached. */
function placeOf(parts: Parts): Place | null {
  spread(parts);
  const [address, port] = [parts.address.input.value.trim(), Number(parts.port.input.value.trim())];
  return goodAddress(address) && goodPort(port) ? { address, port } : null;
}

function credentialField(parts: Parts, credentials: Credential[]): HTMLElement {
  const select = parts.credential;
  const add = (kind: NewKind): void => {
    void addCredential(kind, placeOf(parts)).then((made) => {
      if (!made) return;
      credentials.push(made);
      fillCredentials(select, credentials, made.id);
      select.focus();
    });
  };
  const button = (kind: NewKind, label: string): HTMLElement => h('button', { type: 'button', class: 'button small', on: { click: () => add(kind) } }, icon('plus'), label);
  return h(
    'div',
    { class: 'field' },
    h('label', { for: select.id }, t('start.host.credential')),
    select,
    h('div', { class: 'inline-tools' }, button('key', t('start.host.credential.key')), button('password', t('start.host.credential.password')), button('generate', t('start.host.credential.generate'))),
  );
}

/** The tags there are already, one tap away. */
function tagChips(input: HTMLInputElement, known: string[]): HTMLElement {
  if (known.length === 0) return h('div', { class: 'known-tags', hidden: true });
  const toggle = (tag: string): void => {
    const tags = readTags(input.value);
    input.value = (tags.includes(tag) ? tags.filter((one) => one !== tag) : [...tags, tag]).join(', ');
    show();
  };
  const chips = known.slice(0, 12).map((tag) => h('button', { type: 'button', class: 'chip', on: { click: () => toggle(tag) } }, tag));
  const show = (): void => {
    const tags = readTags(input.value);
    chips.forEach((chip) => chip.setAttribute('aria-pressed', String(tags.includes(chip.textContent ?? ''))));
  };
  input.addEventListener('input', show);
  show();
  return h('div', { class: 'chips', role: 'group', 'aria-label': t('start.host.tags.known') }, ...chips);
}

function colourField(parts: Parts, chosen: string): HTMLElement {
  const inputs = COLOURS.map((colour) => h('input', { type: 'radio', name: 'colour', value: colour, checked: colour === chosen, 'aria-label': t(`start.colour.${colour || 'none'}`) }) as HTMLInputElement);
  parts.colour = () => inputs.find((input) => input.checked)?.value ?? '';
  const swatches = inputs.map((input) => h('label', { class: 'swatch', 'data-colour': input.value || 'none', title: t(`start.colour.${input.value || 'none'}`) }, input, icon('check')));
  return h('fieldset', { class: 'field swatches' }, h('legend', {}, t('start.host.colour')), h('div', { class: 'swatch-row' }, ...swatches));
}

function notesField(notes: HTMLTextAreaElement): HTMLElement {
  return h('div', { class: 'field' }, h('label', { for: notes.id }, t('start.host.notes')), notes);
}

function checks(parts: Parts): HTMLElement[] {
  return [
    h('label', { class: 'check', for: 'host-favourite' }, parts.favourite, h('span', {}, t('start.host.favourite'))),
    h('label', { class: 'check', for: 'host-osc52' }, parts.osc52, h('span', {}, t('start.host.osc52'), h('span', { class: 'hint', id: 'host-osc52-hint' }, t('start.host.osc52.hint')))),
  ];
}

/** What the box would refuse, said beside its field before anything is sent. */
function check(parts: Parts): boolean {
  spread(parts);
  const problems: [Field, boolean, string][] = [
    [parts.address, goodAddress(parts.address.input.value.trim()), 'start.host.address.bad'],
    [parts.port, goodPort(Number(parts.port.input.value.trim() || '0')), 'start.host.port.bad'],
    [parts.user, goodUser(parts.user.input.value.trim()), 'start.host.user.bad'],
    [parts.tags, goodTags(readTags(parts.tags.input.value)), 'start.host.tags.bad'],
  ];
  for (const [one, good, text] of problems) one.setError(good ? null : t(text));
  const first = problems.find(([, good]) => !good)?.[0];
  first?.input.closest('details')?.setAttribute('open', '');
  first?.input.focus();
  return first === undefined;
}

function goodTags(tags: string[]): boolean {
  return tags.length <= 16 && tags.every((tag) => Array.from(tag).length <= 32);
}

function read(parts: Parts): HostDraft {
  return {
    label: parts.label.input.value.trim(),
    address: parts.address.input.value.trim(),
    port: Number(parts.port.input.value.trim()),
    user: parts.user.input.value.trim(),
    credential_id: parts.credential.value === '' ? null : parts.credential.value,
    tags: readTags(parts.tags.input.value),
    favourite: parts.favourite.checked,
    colour: parts.colour() as HostDraft['colour'],
    notes: parts.notes.value,
    osc52: parts.osc52.checked,
  };
}

/** The fields of a host that a PUT wants back, without those that only the box sets. */
export function draftOf(host: Host): HostDraft {
  const { label, address, port, user, credential_id, tags, favourite, colour, notes, osc52 } = host;
  return { label, address, port, user, credential_id, tags: [...tags], favourite, colour, notes, osc52 };
}
