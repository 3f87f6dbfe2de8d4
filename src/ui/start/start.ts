// The start page: what runs, where to go, and how to get there with the fewest keys.

import { ApiError, api } from '../base/api';
import { announce, toast } from '../base/announce';
import { confirmDanger } from '../base/dialog';
import { clear, h, icon } from '../base/dom';
import { Question, redraw, untouched } from '../base/late';
import { t } from '../base/text';
import type { Credential, Host, Session, User } from '../base/types';
import { countText, failingCard, iconButton, openMenu, orToast, skeleton } from './common';
import { importConfig } from './configimport';
import { EMPTY_HOST, draftOf, hostDialog } from './hostdialog';
import type { HostDraft, Known } from './hostdialog';
import { arrange, hostTitle, tagsOf } from './hostlist';
import type { Section } from './hostlist';
import { openKeys } from './keys';
import { parseQuick } from './quick';
import type { Quick } from './quick';
import { hostRow, liveRow, quickRow } from './rows';

export interface QuickTarget {
  address: string;
  port: number;
  user: string;
  credential_id: string | null;
}

export interface StartOptions {
  user: User;
  openHost(host: Host): void;
  openQuick(quick: QuickTarget): void;
  attach(session: Session): void;
  openHostKeys(): void;
}

export interface StartPage {
  refresh(): void;
  /** Something has become of a terminal. */
  look(): void;
  destroy(): void;
  focusSearch(): void;
}

/** Live terminals change without us; this is how often we look, while somebody looks at us. */
const LOOK_EVERY_MS = 5000;
/** Rows drawn at once; the rest of a long list waits behind a button. */
const ROWS_AT_ONCE = 120;

interface Data {
  hosts: Host[];
  sessions: Session[];
  credentials: Credential[];
}

export function showStart(root: HTMLElement, options: StartOptions): StartPage {
  const page = new Page(root, options);
  page.refresh();
  return page;
}

class Page implements StartPage {
  private data: Data | null = null;
  private problem: ApiError | null = null;
  private tag = '';
  private most = ROWS_AT_ONCE;
  private drawn = '';
  /** What was in the search when Enter was pressed before there was a list; empty: nothing waits for it. */
  private entered = '';
  private readonly lists = new Question(() => this.page.isConnected);
  private readonly terminals = new Question(() => this.page.isConnected);
  private came = (_data: Data): void => undefined;
  private readonly first = new Promise<Data>((come) => (this.came = come));
  private underway = 0;
  /** Something has changed since the question that is under way. */
  private missed = false;
  private quickCredential = '';
  private readonly search: HTMLInputElement;
  private readonly banner = h('div', { class: 'start-banner' });
  private readonly chips = h('div', { class: 'chips', role: 'group', 'aria-label': t('start.tags') });
  private readonly list = h('div', { class: 'start-list' });
  private readonly found = h('p', { class: 'visually-hidden', role: 'status' });
  private readonly page: HTMLElement;
  private readonly timer: number;
  private readonly slash = (event: KeyboardEvent): void => this.onSlash(event);
  private readonly seen = (): void => this.look();

  constructor(root: HTMLElement, private readonly options: StartOptions) {
    this.search = this.searchInput();
    this.page = h('div', { class: 'start', role: root.closest('main') ? null : 'main' }, h('div', { class: 'start-inner' }, this.head(), this.banner, this.chips, this.found, this.list));
    this.page.addEventListener('keydown', (event) => this.onKey(event));
    clear(root);
    root.append(this.page);
    this.list.append(skeleton(6));
    this.timer = window.setInterval(() => this.underway === 0 && this.look(), LOOK_EVERY_MS);
    document.addEventListener('keydown', this.slash);
    document.addEventListener('visibilitychange', this.seen);
    window.addEventListener('online', this.seen);
  }

  refresh(): void {
    void this.fetchAll();
  }

  destroy(): void {
    clearInterval(this.timer);
    document.removeEventListener('keydown', this.slash);
    document.removeEventListener('visibilitychange', this.seen);
    window.removeEventListener('online', this.seen);
    this.page.remove();
  }

  focusSearch(): void {
    this.search.focus();
    this.search.select();
  }

  // Fetching

  private async fetchAll(): Promise<void> {
    const [counts, countsLive] = [this.lists.ask(), this.terminals.ask()];
    await this.asking(counts, async () => {
      const [hosts, sessions, credentials] = await Promise.all([
        api.get<{ hosts: Host[] }>('/api/hosts'),
        api.get<{ sessions: Session[] }>('/api/sessions'),
        api.get<{ credentials: Credential[] }>('/api/credentials'),
      ]);
      return () => (this.data = { hosts: hosts.hosts, credentials: credentials.credentials, sessions: countsLive() ? sessions.sessions : (this.data?.sessions ?? sessions.sessions) });
    });
    if (this.data) this.came(this.data);
    const entered = this.entered !== '' && this.entered === this.search.value && document.activeElement === this.search;
    if (!counts() || !this.data) return;
    this.entered = '';
    if (entered) this.mains()[0]?.click();
  }

  /** At the terminals only, and one look at a time; a box that was gone gets the whole question again. */
  look(): void {
    if (document.hidden || !this.page.isConnected || this.page.offsetParent === null) return;
    if (this.underway > 0) this.missed = true;
    else if (this.problem || !this.data) void this.fetchAll();
    else void this.lookAtTerminals(this.data);
  }

  private lookAtTerminals(data: Data): Promise<void> {
    return this.asking(this.terminals.ask(), async () => {
      const { sessions } = await api.get<{ sessions: Session[] }>('/api/sessions');
      return () => (data.sessions = sessions);
    });
  }

  private async asking(counts: () => boolean, ask: () => Promise<() => void>): Promise<void> {
    this.underway += 1;
    try {
      const take = await ask();
      if (counts()) {
        take();
        this.problem = null;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (counts()) this.problem = error;
    } finally {
      this.underway -= 1;
    }
    if (counts()) this.draw();
    if (this.underway > 0 || !this.missed) return;
    this.missed = false;
    this.look();
  }

  // Drawing

  private head(): HTMLElement {
    const add = h('button', { type: 'button', class: 'button primary', 'aria-label': t('start.add'), on: { click: () => void this.add(EMPTY_HOST) } }, icon('plus'), h('span', {}, t('start.add')));
    const more = iconButton('more', t('start.more'), () => openMenu(more, t('start.more'), this.moreMenu()));
    more.setAttribute('aria-haspopup', 'menu');
    return h(
      'div',
      { class: 'start-head' },
      h('h1', { class: 'visually-hidden' }, t('start.title')),
      h('div', { class: 'search-box', role: 'search' }, icon('search'), this.search, h('kbd', { class: 'search-key', 'aria-hidden': 'true' }, '/')),
      add,
      more,
    );
  }

  private moreMenu(): Parameters<typeof openMenu>[2] {
    return [
      { label: t('start.menu.config'), icon: 'import', run: () => void this.importConfig() },
      { label: t('start.menu.keys'), icon: 'key', run: () => void openKeys().then(() => this.refresh()) },
      { label: t('start.menu.hostkeys'), icon: 'lock', run: () => this.options.openHostKeys() },
    ];
  }

  private searchInput(): HTMLInputElement {
    const input = h('input', {
      type: 'search', class: 'search-input', name: 'search', placeholder: t('start.search'), 'aria-label': t('start.search.label'),
      autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', enterkeyhint: 'go',
    }) as HTMLInputElement;
    input.addEventListener('input', () => {
      this.most = ROWS_AT_ONCE;
      this.draw();
      this.sayFound();
    });
    return input;
  }

  /** Draws only when something is different, so that a poll never takes away a focus or a selection. */
  private draw(): void {
    const quick = parseQuick(this.search.value);
    const minute = Math.floor(Date.now() / 60000);
    const now = JSON.stringify([this.data, this.problem?.code, this.search.value, this.tag, this.most, minute]);
    if (now === this.drawn) return;
    this.drawn = now;
    redraw(this.page, () => this.drawAnew(quick), this.search);
  }

  private drawAnew(quick: Quick | null): void {
    this.drawBanner();
    clear(this.list);
    if (this.data) this.drawData(this.data, quick);
    else if (this.problem) this.list.append(failingCard(this.problem, () => this.refresh()));
  }

  private drawBanner(): void {
    clear(this.banner);
    if (!this.problem || !this.data) return;
    this.banner.append(
      h('div', { class: 'alert warn', role: 'alert' }, icon('warn'), h('div', {}, h('strong', {}, t('start.failing.title')), h('p', {}, t('start.failing.known'))),
        h('button', { type: 'button', class: 'button', 'data-focus': 'retry', on: { click: () => this.refresh() } }, t('start.failing.retry'))),
    );
  }

  private drawData(data: Data, quick: Quick | null): void {
    this.drawChips(data.hosts);
    const live = this.liveFound(data);
    const nothing = data.hosts.length === 0 && this.search.value.trim() === '';
    const sections = arrange(data.hosts, this.search.value, this.tag);
    if (quick) this.list.append(this.quickSection(quick, data.credentials));
    if (live.length > 0) this.list.append(this.liveSection(live));
    if (nothing) this.list.append(this.firstHost(live.length > 0));
    else this.drawSections(sections, quick !== null || live.length > 0);
    this.markFirst();
  }

  private drawSections(sections: Section[], other: boolean): void {
    let left = this.most;
    for (const section of sections) {
      const shown = section.hosts.slice(0, Math.max(left, 0));
      left -= section.hosts.length;
      if (shown.length > 0) this.list.append(this.section(t(`start.section.${section.key}`), section.hosts.length, shown.map((host) => this.row(host))));
    }
    if (left < 0) this.list.append(h('button', { type: 'button', class: 'button wide', on: { click: () => this.showAll() } }, t('start.all', { count: -left })));
    if (!other && sections.every((section) => section.hosts.length === 0)) this.list.append(this.nothingFound());
  }

  private showAll(): void {
    this.most = Number.POSITIVE_INFINITY;
    this.draw();
  }

  private drawChips(hosts: Host[]): void {
    clear(this.chips);
    const tags = tagsOf(hosts);
    if (this.tag !== '' && !tags.includes(this.tag)) this.tag = '';
    this.chips.classList.toggle('hidden', tags.length === 0);
    const choose = (tag: string): void => {
      this.tag = this.tag === tag ? '' : tag;
      this.draw();
      this.sayFound();
    };
    const chip = (tag: string, text: string): HTMLElement =>
      h('button', { type: 'button', class: 'chip', 'data-focus': `tag-${tag}`, 'aria-pressed': String(this.tag === tag), on: { click: () => choose(tag) } }, text);
    if (tags.length > 0) this.chips.append(chip('', t('start.tags.all')), ...tags.map((tag) => chip(tag, tag)));
  }

  private section(title: string, count: number, rows: HTMLElement[], extra = ''): HTMLElement {
    return h('section', { class: `start-section ${extra}`.trim(), 'aria-label': title }, h('h2', {}, title, h('span', { class: 'count' }, String(count))), h('ul', { class: 'rows' }, ...rows));
  }

  private liveFound(data: Data): Session[] {
    const words = this.search.value.trim().toLowerCase();
    const live = data.sessions.filter((session) => session.state !== 'ended');
    if (this.tag !== '') return [];
    return live.filter((session) => words === '' || `${session.title} ${session.user}@${session.address}`.toLowerCase().includes(words));
  }

  private liveSection(live: Session[]): HTMLElement {
    const colours = new Map(this.data?.hosts.map((host) => [host.id, host]));
    const rows = live.map((session) =>
      liveRow(session, session.host_id ? colours.get(session.host_id) : undefined, { attach: () => this.options.attach(session), end: () => void this.end(session) }),
    );
    return this.section(t('start.section.live'), live.length, rows, 'live');
  }

  private row(host: Host): HTMLElement {
    return hostRow(host, {
      connect: () => this.options.openHost(host),
      favourite: () => void this.favourite(host),
      menu: (button) => openMenu(button, hostTitle(host), this.hostMenu(host)),
      tag: (tag) => {
        this.tag = tag;
        this.draw();
      },
    });
  }

  private hostMenu(host: Host): Parameters<typeof openMenu>[2] {
    return [
      { label: t('start.host.connect'), icon: 'terminal', run: () => this.options.openHost(host) },
      { label: t('start.edit'), icon: 'edit', run: () => void this.edit(host) },
      { label: t('start.duplicate'), icon: 'copy', run: () => void this.add({ ...draftOf(host), label: host.label ? t('start.copy.of', { name: host.label }).slice(0, 100) : '', favourite: false }) },
      { label: t(host.favourite ? 'start.unfavourite' : 'start.favourite'), icon: host.favourite ? 'star' : 'star-filled', run: () => void this.favourite(host) },
      { label: t('start.delete'), icon: 'trash', danger: true, run: () => void this.remove(host) },
    ];
  }

  private quickSection(quick: Quick, credentials: Credential[]): HTMLElement {
    const row = quickRow(quick, credentials, this.quickCredential, {
      connect: () => this.openQuick(quick),
      choose: (id) => (this.quickCredential = id),
      save: () => void this.add({ ...EMPTY_HOST, ...quick, credential_id: this.quickCredential || null }),
    });
    return h('section', { class: 'start-section quick', 'aria-label': t('start.section.quick') }, h('ul', { class: 'rows' }, row));
  }

  private openQuick(quick: Quick): void {
    const known = this.data?.credentials.some((one) => one.id === this.quickCredential);
    this.options.openQuick({ ...quick, credential_id: known ? this.quickCredential : null });
  }

  private firstHost(live: boolean): HTMLElement {
    return h(
      'div',
      { class: live ? 'empty small' : 'empty first' },
      h('div', { class: 'empty-art', 'aria-hidden': 'true' }, icon('terminal')),
      h('h2', {}, t('start.first.title', { name: this.options.user.name })),
      h('p', {}, t('start.first.text')),
      h(
        'div',
        { class: 'empty-actions' },
        h('button', { type: 'button', class: 'button primary', on: { click: () => void this.add(EMPTY_HOST) } }, icon('plus'), t('start.first.add')),
        h('button', { type: 'button', class: 'button', on: { click: () => void this.importConfig() } }, icon('import'), t('start.first.config')),
      ),
      h('p', { class: 'hint' }, t('start.first.quick'), ' ', h('code', {}, 'root@192.168.1.1')),
    );
  }

  private nothingFound(): HTMLElement {
    const search = this.search.value.trim();
    return h(
      'div',
      { class: 'empty small' },
      h('p', {}, search === '' ? t('start.nothing.tag', { tag: this.tag }) : t('start.nothing', { search })),
      h('p', { class: 'hint' }, t('start.nothing.quick'), ' ', h('code', {}, `user@${/^[\w.:-]+$/.test(search) ? search : 'host'}`)),
    );
  }

  /** While somebody searches, the row that Enter will take is marked. */
  private markFirst(): void {
    if (this.search.value.trim() === '') return;
    this.mains()[0]?.closest('.list-row')?.classList.add('first');
  }

  private sayFound(): void {
    const rows = this.mains();
    const first = rows[0]?.dataset['name'] ?? '';
    this.found.textContent = rows.length === 0 ? t('start.found.none') : `${countText('start.found', rows.length)} ${this.search.value.trim() ? t('start.found.enter', { name: first }) : ''}`;
  }

  // Keys

  private mains(): HTMLElement[] {
    return [...this.list.querySelectorAll<HTMLElement>('.row-main')];
  }

  private onSlash(event: KeyboardEvent): void {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || this.page.offsetParent === null) return;
    const at = event.target as HTMLElement;
    if (at.closest('input, textarea, select, dialog, [contenteditable], .xterm, [popover]')) return;
    event.preventDefault();
    this.focusSearch();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const at = event.target as HTMLElement;
    if (at.closest('[popover]')) return;
    if (at === this.search) this.searchKey(event);
    else if (at.closest('.list-row') && !at.closest('select')) this.rowKey(event, at);
  }

  private searchKey(event: KeyboardEvent): void {
    if (event.key === 'ArrowDown') {
      event.preventDefault();
      this.mains()[0]?.focus();
    } else if (event.key === 'Enter' && this.search.value.trim() !== '') {
      event.preventDefault();
      // Who types faster than the list comes gets what was meant, when it comes.
      if (this.data) this.mains()[0]?.click();
      else this.entered = this.search.value;
    } else if (event.key === 'Escape' && this.search.value !== '') {
      event.preventDefault();
      this.search.value = '';
      this.draw();
    }
  }

  private rowKey(event: KeyboardEvent, at: HTMLElement): void {
    const rows = this.mains();
    const main = at.closest('.list-row')?.querySelector<HTMLElement>('.row-main');
    const index = main ? rows.indexOf(main) : -1;
    const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      if (to < 0) this.focusSearch();
      else rows[Math.min(to, rows.length - 1)]?.focus();
    } else if (event.key.length === 1 && /[\p{L}\p{N}@.:_-]/u.test(event.key)) {
      // Typing goes on in the search, from wherever it begins; the key itself arrives there too.
      this.search.focus();
    }
  }

  // Doing

  private async add(draft: HostDraft): Promise<void> {
    await this.dialog(draft);
  }

  private async edit(host: Host): Promise<void> {
    await this.dialog(draftOf(host), host);
  }

  private async dialog(draft: HostDraft, host?: Host): Promise<void> {
    const known = ({ hosts, credentials }: Data): Known => ({ credentials: [...credentials], tags: tagsOf(hosts) });
    const lists = this.data ? { known: known(this.data) } : { known: { credentials: [], tags: [] }, later: this.first.then(known) };
    const saved = await hostDialog({ draft, ...lists, ...(host ? { host } : {}) });
    if (!saved) return this.refresh();
    announce(t('start.saved', { name: hostTitle(saved.host) }));
    if (saved.connect) return this.options.openHost(saved.host);
    if (!host) this.search.value = '';
    const here = untouched();
    await this.fetchAll();
    if (here()) this.list.querySelector<HTMLElement>(`[data-focus="host-${saved.host.id}"]`)?.focus();
  }

  private async favourite(host: Host): Promise<void> {
    await orToast(async () => {
      await api.put<Host>(`/api/hosts/${host.id}`, { ...draftOf(host), favourite: !host.favourite });
      announce(t(host.favourite ? 'start.unfavourite.done' : 'start.favourite.done', { name: hostTitle(host) }));
      await this.fetchAll();
    });
  }

  private async remove(host: Host): Promise<void> {
    const name = hostTitle(host);
    if (!(await confirmDanger({ title: t('start.host.delete.title', { name }), text: t('start.host.delete.text'), action: t('start.delete') }))) return;
    await orToast(async () => {
      await api.del(`/api/hosts/${host.id}`);
      toast(t('start.deleted', { name }), 'ok');
      await this.fetchAll();
    });
  }

  private async end(session: Session): Promise<void> {
    if (!(await confirmDanger({ title: t('start.end.title', { name: session.title }), text: t('start.end.text'), action: t('start.end') }))) return;
    await orToast(async () => {
      await api.del(`/api/sessions/${session.id}`);
      toast(t('start.ended', { name: session.title }), 'ok');
      await this.fetchAll();
    });
  }

  private async importConfig(): Promise<void> {
    const saved = await importConfig(() => this.data ?? { hosts: [], credentials: [] });
    if (saved > 0) await this.fetchAll();
  }
}
