// For administrators: what happened on the box, filtered, and as a file to take along.

import { openDialog } from '../base/dialog';
import { h, icon } from '../base/dom';
import { localized, t, worded } from '../base/text';
import { orToast } from '../start/common';
import { type AuditEvent, box } from './box';
import { auditCsv } from './csv';
import { fetched, saveFile, timeText, wordText } from './parts';

const SHOWN = 200;
/** The most that the box answers at once. */
const EXPORTED = 1000;
const KINDS = ['', 'signin', 'signin.failed', 'factor', 'admin', 'invite', 'reset', 'session', 'hostkey', 'credential', 'cli', 'serve'];
/** A filter is sent when its writer pauses, not at each letter. */
const PAUSE_MS = 300;

export async function openAudit(): Promise<void> {
  const user = h('input', { type: 'search', class: 'filter', placeholder: t('people.audit.user'), 'aria-label': t('people.audit.user'), autocapitalize: 'none', spellcheck: 'false' }) as HTMLInputElement;
  const kind = h('select', { 'aria-label': t('people.audit.kind') }, ...KINDS.map((value) => h('option', { value }, t(value === '' ? 'people.audit.all' : `people.audit.kind.${value}`)))) as HTMLSelectElement;
  const get = (last: number): Promise<AuditEvent[]> => box.audit(last, user.value.trim().toLowerCase(), kind.value);
  const list = fetched(() => get(SHOWN), eventTable);
  let timer = 0;
  user.addEventListener('input', () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(list.refresh, PAUSE_MS);
  });
  kind.addEventListener('change', list.refresh);
  const save = (name: string, write: (events: AuditEvent[]) => string, type: string) => (): void => void orToast(async () => saveFile(name, write(await get(EXPORTED)), type));
  const tools = h(
    'div',
    { class: 'toolbar' },
    user,
    kind,
    h('button', { type: 'button', class: 'button', on: { click: save('footbridge-audit.csv', auditCsv, 'text/csv') } }, icon('import'), 'CSV'),
    h('button', { type: 'button', class: 'button', on: { click: save('footbridge-audit.jsonl', (events) => events.map((one) => JSON.stringify(one) + '\n').join(''), 'application/jsonl') } }, icon('import'), 'JSON'),
    h('button', { type: 'button', class: 'button', on: { click: () => void orToast(async () => saveFile('footbridge-log.txt', (await box.log()).map((line) => line + '\n').join(''), 'text/plain')) } }, icon('import'), t('people.audit.log')),
  );
  const body = h('div', { class: 'keys' }, h('p', { class: 'dialog-lead' }, t('people.audit.lead', { count: SHOWN })), tools, list.root);
  await openDialog({ title: t('action.audit'), body, wide: true, actions: [{ label: t('start.close') }] });
}

function eventTable(events: AuditEvent[]): HTMLElement {
  if (events.length === 0) return h('p', { class: 'nothing', role: 'status' }, t('people.audit.none'));
  const head = ['time', 'event', 'user', 'peer', 'more'].map((name) => h('th', { scope: 'col' }, t(`people.audit.column.${name}`)));
  return h('div', { class: 'audit-scroll', tabindex: '0', role: 'region', 'aria-label': t('action.audit') }, h('table', { class: 'audit' }, h('thead', {}, h('tr', {}, ...head)), h('tbody', {}, ...[...events].reverse().map(eventRow))));
}

function eventRow(one: AuditEvent): HTMLElement {
  const { time, event, user, peer, chain: _, ...more } = one;
  const rest = Object.entries(more).map(([name, value]) => `${wordText('audit.field', name)}: ${valueText(name, String(value))}`).join(', ');
  return h('tr', { class: /failed|locked|limited/.test(event) ? 'bad' : '' }, h('td', {}, h('time', {}, timeText(time))), h('td', { title: event }, wordText('people.event', event)), h('td', {}, valueText('user', user ?? '')), h('td', {}, peer ?? ''), h('td', {}, rest));
}

/** Names and numbers stay as they are. What an update told is a sentence. */
function valueText(name: string, value: string): string {
  return name === 'told' ? localized(value) : worded(`audit.value.${name}`, value);
}
