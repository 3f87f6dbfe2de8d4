// For administrators: what happened on the box, filtered, and as a file to take along.

import { announce } from '../base/announce';
import { openDialog } from '../base/dialog';
import { h, icon } from '../base/dom';
import { untouched } from '../base/late';
import { localized, t, worded } from '../base/text';
import { fetched, orToast } from '../start/common';
import { type AuditEvent, type AuditPage, box } from './box';
import { auditCsv } from './csv';
import { saveFile, timeText, wordText } from './parts';

const SHOWN = 100;
/** The most that the box answers at once: a file is written of several. */
const AT_ONCE = 1000;
const KINDS = ['', 'signin', 'signin.failed', 'factor', 'admin', 'invite', 'reset', 'session', 'hostkey', 'credential', 'cli', 'serve'];
/** A filter is sent when its writer pauses, not at each letter. */
const PAUSE_MS = 300;

/** So many of what a filter takes, before a mark. The filter stays what it was when it was asked. */
type Reader = (last: number, before: string) => Promise<AuditPage>;

export async function openAudit(): Promise<void> {
  const user = h('input', { type: 'search', class: 'filter', placeholder: t('people.audit.user'), 'aria-label': t('people.audit.user'), autocapitalize: 'none', spellcheck: 'false' }) as HTMLInputElement;
  const kind = h('select', { 'aria-label': t('people.audit.kind') }, ...KINDS.map((value) => h('option', { value }, t(value === '' ? 'people.audit.all' : `people.audit.kind.${value}`)))) as HTMLSelectElement;
  const until = h('input', { type: 'date' }) as HTMLInputElement;
  const filter = (): Reader => {
    const asked = { user: user.value.trim().toLowerCase(), event: kind.value, until: endOf(until.value) };
    return (last, before) => box.audit({ ...asked, last: String(last), before });
  };
  const list = fetched(
    async () => {
      const read = filter();
      return { read, page: await read(SHOWN, '') };
    },
    ({ read, page }) => eventList(page, (before) => read(SHOWN, before)),
  );
  let timer = 0;
  user.addEventListener('input', () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(list.refresh, PAUSE_MS);
  });
  kind.addEventListener('change', list.refresh);
  until.addEventListener('change', list.refresh);
  const events = (label: string, name: string, type: string, text: (events: AuditEvent[]) => string): HTMLElement => fileButton(label, async (told) => saveFile(name, text(await everything(filter(), told)), type));
  const tools = h(
    'div',
    { class: 'toolbar' },
    user,
    kind,
    h('label', { class: 'until' }, t('people.audit.until'), until),
    events('CSV', 'footbridge-audit.csv', 'text/csv', auditCsv),
    events('JSON', 'footbridge-audit.jsonl', 'application/jsonl', (all) => all.map((one) => JSON.stringify(one) + '\n').join('')),
    fileButton(t('people.audit.log'), async () => saveFile('footbridge-log.txt', (await box.log()).map((line) => line + '\n').join(''), 'text/plain')),
  );
  const body = h('div', { class: 'keys' }, h('p', { class: 'dialog-lead' }, t('people.audit.lead')), tools, list.root);
  await openDialog({ title: t('action.audit'), body, wide: true, actions: [{ label: t('start.close') }] });
}

/** A day is named where the reader is, and ends there. Empty: no such limit. */
function endOf(day: string): string {
  if (day === '') return '';
  const end = new Date(`${day}T00:00:00`);
  end.setDate(end.getDate() + 1);
  return String(Math.floor(end.getTime() / 1000));
}

/** Says on itself how far it is: a whole log comes in many pieces. */
function fileButton(label: string, write: (told: (count: number) => void) => Promise<void>): HTMLElement {
  const face = h('span', {}, label);
  const button = h('button', { type: 'button', class: 'button', on: { click: () => void run() } }, icon('import'), face);
  return button;

  async function run(): Promise<void> {
    if (button.getAttribute('aria-busy') === 'true') return;
    button.setAttribute('aria-busy', 'true');
    await orToast(() => write((count) => (face.textContent = `${label} ${count}`)));
    button.removeAttribute('aria-busy');
    face.textContent = label;
  }
}

/** All that the filter takes, oldest first. */
async function everything(read: Reader, told: (count: number) => void): Promise<AuditEvent[]> {
  const pages: AuditEvent[][] = [];
  let count = 0;
  let before: string | null = '';
  while (before !== null) {
    const page: AuditPage = await read(AT_ONCE, before);
    pages.unshift(page.events);
    told((count += page.events.length));
    before = page.older;
  }
  return pages.flat();
}

function eventList(first: AuditPage, get: (before: string) => Promise<AuditPage>): HTMLElement {
  if (first.events.length === 0) return h('p', { class: 'nothing', role: 'status' }, t('people.audit.none'));
  const head = ['time', 'event', 'user', 'peer', 'more'].map((name) => h('th', { scope: 'col' }, t(`people.audit.column.${name}`)));
  const rows = h('tbody', {});
  const more = h('button', { type: 'button', class: 'button', on: { click: () => void older() } }, t('people.audit.older')) as HTMLButtonElement;
  const region = h('div', { class: 'audit-scroll', tabindex: '0', role: 'region', 'aria-label': t('action.audit') }, h('table', { class: 'audit' }, h('thead', {}, h('tr', {}, ...head)), rows), more);
  let before: string | null = null;
  show(first);
  return region;

  function show(page: AuditPage): void {
    rows.append(...[...page.events].reverse().map(eventRow));
    before = page.older;
    more.hidden = before === null;
  }

  async function older(): Promise<void> {
    const from = before;
    if (from === null || more.getAttribute('aria-disabled') === 'true') return;
    more.setAttribute('aria-disabled', 'true');
    const here = untouched();
    await orToast(async () => {
      const page = await get(from);
      // The filter of before.
      if (!region.isConnected) return;
      show(page);
      announce(t('people.audit.older.come', { count: page.events.length }));
      // The focus was on what is gone.
      if (more.hidden && here()) region.focus();
    });
    more.removeAttribute('aria-disabled');
  }
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
