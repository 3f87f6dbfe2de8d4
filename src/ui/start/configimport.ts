// Hosts out of a pasted ~/.ssh/config: paste, look, choose, save.

import { ApiError, api } from '../base/api';
import { announce, toast } from '../base/announce';
import { openDialog } from '../base/dialog';
import { h } from '../base/dom';
import { field } from '../base/forms';
import { t } from '../base/text';
import type { Credential, Host } from '../base/types';
import { countText, skippedList, textDrop } from './common';
import type { Field } from './entry';
import { EMPTY_HOST, credentialSelect } from './hostdialog';
import { hostPlace, readTags } from './hostlist';
import { areaField } from './keys';
import { goodUser } from './quick';
import { parseSshConfig } from './sshconfig';
import type { ConfigHost, ParsedConfig } from './sshconfig';

/** Asks for the text, then for the choice; how many hosts were saved in the end. `lists`: what there is already, once there is a text. */
export async function importConfig(lists: () => { hosts: Host[]; credentials: Credential[] }): Promise<number> {
  const parsed = await askText();
  if (!parsed) return 0;
  const { hosts, credentials } = lists();
  return choose(parsed, hosts, credentials);
}

async function askText(): Promise<ParsedConfig | null> {
  const area = h('textarea', { id: 'ssh-config', name: 'config', required: true }) as HTMLTextAreaElement;
  const tools = textDrop(area, { label: t('start.drop.choose'), placeholder: 'Host router\n  HostName 192.168.1.1\n  User root', rows: 11, most: 1024 * 1024 });
  const problem = h('p', { class: 'field-error', role: 'alert' });
  const form = h('form', { class: 'form' }, h('p', { class: 'dialog-lead' }, t('start.config.lead')), areaField(area, t('start.config.field'), tools), problem);
  let parsed: ParsedConfig | null = null;
  const look = (): boolean => {
    parsed = parseSshConfig(area.value);
    problem.textContent = parsed.hosts.length + parsed.skipped.length === 0 ? t('start.config.none') : '';
    return problem.textContent === '';
  };
  const shown = openDialog({ title: t('start.config.title'), body: form, wide: true, actions: [{ label: t('start.cancel') }, { label: t('start.config.look'), kind: 'primary', value: 'next', submit: look }] });
  area.focus();
  return (await shown) === 'next' ? parsed : null;
}

interface Row {
  host: ConfigHost;
  box: HTMLInputElement;
  root: HTMLElement;
}

async function choose(parsed: ParsedConfig, hosts: Host[], credentials: Credential[]): Promise<number> {
  const rows = parsed.hosts.map((host) => configRow(host, hosts));
  const user = field({ label: t('start.config.user.default'), name: 'user', value: '', autocomplete: 'off', hint: t('start.config.user.hint') });
  const tags = field({ label: t('start.config.tags'), name: 'tags', value: '', autocomplete: 'off' });
  const credential = credentialSelect(credentials, null);
  const meter = h('progress', { class: 'progress hidden', max: 1, value: 0, 'aria-label': t('start.config.saving') }) as HTMLProgressElement;
  const problem = h('p', { class: 'field-error', role: 'alert' });
  const form = h(
    'form',
    { class: 'form' },
    rows.length === 0 ? h('p', { class: 'nothing' }, t('start.config.nohosts')) : chooser(rows),
    rows.some((row) => row.host.user === '') ? user.root : null,
    rows.length === 0 ? null : h('div', { class: 'form-row' }, h('div', { class: 'field' }, h('label', { for: credential.id }, t('start.host.credential')), credential), tags.root),
    parsed.skipped.length === 0 ? null : skippedPart(parsed),
    meter,
    problem,
  );
  let saved = 0;
  const save = async (): Promise<boolean> => {
    const chosen = rows.filter((row) => row.box.checked && !row.box.disabled);
    if (!ready(chosen, user, problem)) return false;
    meter.classList.remove('hidden');
    const common = { ...EMPTY_HOST, tags: readTags(tags.input.value), credential_id: credential.value || null };
    for (const row of chosen) {
      try {
        await api.post('/api/hosts', { ...common, label: row.host.label, address: row.host.address, port: row.host.port, user: row.host.user || user.input.value.trim() });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        problem.textContent = t('start.config.failed', { name: row.host.label, message: `${error.message} ${error.remedy}`.trim() });
        return false;
      }
      saved += 1;
      meter.value = saved / Math.max(chosen.length, saved);
      row.box.checked = false;
      row.box.disabled = true;
      row.root.classList.add('saved');
      if (saved % 10 === 0) announce(t('start.progress', { done: saved, all: chosen.length }));
    }
    return true;
  };
  const actions = rows.length === 0 ? [{ label: t('start.close') }] : [{ label: t('start.cancel') }, { label: t('start.config.save'), kind: 'primary' as const, value: 'saved', submit: save }];
  await openDialog({ title: t('start.config.choose'), body: form, wide: true, actions });
  if (saved > 0) toast(countText('start.config.saved', saved), 'ok');
  return saved;
}

function ready(chosen: Row[], user: Field, problem: HTMLElement): boolean {
  problem.textContent = chosen.length === 0 ? t('start.config.nothing') : '';
  const asks = chosen.some((row) => row.host.user === '') && !goodUser(user.input.value.trim());
  user.setError(asks ? t('start.config.user.needed') : null);
  if (asks) user.input.focus();
  return chosen.length > 0 && !asks;
}

function chooser(rows: Row[]): HTMLElement {
  const all = h('input', { type: 'checkbox', id: 'config-all' }) as HTMLInputElement;
  const count = h('span', { class: 'hint', 'aria-live': 'polite' });
  const show = (): void => {
    const chosen = rows.filter((row) => row.box.checked).length;
    all.checked = chosen === rows.length;
    all.indeterminate = chosen > 0 && chosen < rows.length;
    count.textContent = t('start.config.chosen', { chosen, all: rows.length });
  };
  all.addEventListener('change', () => {
    for (const row of rows) if (!row.box.disabled) row.box.checked = all.checked;
    show();
  });
  for (const row of rows) row.box.addEventListener('change', show);
  show();
  return h(
    'fieldset',
    { class: 'config-hosts' },
    h('legend', { class: 'visually-hidden' }, t('start.config.choose')),
    h('div', { class: 'config-head' }, h('label', { class: 'check' }, all, h('span', {}, t('start.config.all'))), count),
    h('div', { class: 'config-rows' }, ...rows.map((row) => row.root)),
  );
}

function configRow(host: ConfigHost, hosts: Host[]): Row {
  const there = hosts.some((one) => one.address === host.address && one.port === host.port && (host.user === '' || one.user === host.user));
  const box = h('input', { type: 'checkbox', name: 'host', checked: !there }) as HTMLInputElement;
  const place = hostPlace({ ...host, user: host.user || '?' });
  const ignored = host.ignored.length === 0 ? null : h('span', { class: 'row-sub' }, t('start.config.ignored', { options: host.ignored.join(', ') }));
  const root = h(
    'label',
    { class: 'check config-row' },
    box,
    h('span', { class: 'row-text' }, h('span', { class: 'row-title' }, host.label, ' ', there ? h('span', { class: 'badge' }, t('start.config.there')) : null), h('span', { class: 'row-sub mono' }, place), ignored),
  );
  return { host, box, root };
}

function skippedPart(parsed: ParsedConfig): HTMLElement {
  return h(
    'details',
    { class: 'more-fields', open: parsed.hosts.length === 0 },
    h('summary', {}, countText('start.config.skipped', parsed.skipped.length)),
    skippedList(parsed.skipped.map((one) => ({ ...one, why: t(one.why) }))),
  );
}
