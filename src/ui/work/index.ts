// The work surface: tabs of terminals, the start page behind the first of them, and everything that can be done with them.

import { announce, toast } from '../base/announce';
import { ApiError, api } from '../base/api';
import { confirmDanger, openDialog } from '../base/dialog';
import { clear, h, icon } from '../base/dom';
import { showProblem } from '../base/forms';
import { untouched } from '../base/late';
import { change, keep, onSettings, recall, save, settings } from '../base/settings';
import { t } from '../base/text';
import type { Host, Session, State, User } from '../base/types';
import { openMenu, orToast } from '../start/common';
import { allowPlace, openAccount, openAudit, openHostKeys, openUsers, overrideHostKey } from '../people/index';
import { type StartPage, openKeys, showStart } from '../start/index';
import type { HostKeyQuestion } from '../term/link';
import { type Goal, Pane, type PaneOwner, type PlaceProof } from '../term/pane';
import { TouchBar } from '../term/touchbar';
import { ACTIONS, type ActionId, actionFor, keysOf, stolenKey, tabNumber } from './actions';
import { Group } from './group';
import { type Node, panes as idsOf, readNode, renamed } from './layout';
import { type Entry, openPalette } from './palette';
import { openHelp, openSettings, signOut } from './sheets';
import { TabStrip } from './tabs';
import { Turns } from './turns';

interface KeptTab {
  tree: Node;
  active: string;
}

/** As any version and any device may have left it. */
interface KeptLayout {
  tabs?: unknown;
  front?: unknown;
}

/** Tabs that nobody looks at come back so long after the one in front. */
const BEHIND_MS = 250;

export class Work implements PaneOwner {
  private readonly groups: Group[] = [];
  /** The tab in front; null: the start page. */
  private front: Group | null = null;
  /** What was open last is there again. */
  private restored = false;
  /** Something was put in front already, be it the start page. */
  private chosen = false;
  private start: StartPage | null = null;
  private hosts: Host[] = [];
  private readonly tabs = new TabStrip({ choose: (id) => this.show(this.group(id)), close: (id) => this.closeGroup(id), home: () => this.show(null), move: (id, before) => this.move(id, before) });
  private readonly home = h('main', { class: 'home-view' });
  private readonly stage = h('main', { class: 'stage', hidden: true });
  private readonly warning = h('div', { class: 'broadcast-warning', hidden: true, role: 'status' });
  private readonly touch = new TouchBar(() => this.front?.pane ?? null);
  /** Panes that come back at once must not ask one on top of the other. */
  private readonly proofs = new Turns<Pane>(() => (this.root.isConnected ? this.groups.flatMap((group) => group.order()) : []));
  private readonly forAdministrators = ['users', 'audit'] as const;
  private readonly root: HTMLElement;
  private readonly forget: () => void;
  private readonly onKey = (event: KeyboardEvent): void => this.pageKey(event);

  constructor(
    place: HTMLElement,
    private readonly state: State,
    private readonly user: User,
    private readonly again: () => void,
    private readonly lock: (name: string) => void,
  ) {
    const account = h('button', { type: 'button', class: 'button quiet', 'aria-haspopup': 'menu', 'aria-expanded': 'false', 'aria-label': t('work.menu', { name: user.name }) }, icon('user'), h('span', { class: 'menu-name' }, user.name));
    account.addEventListener('click', () => this.menu(account));
    const palette = h('button', { type: 'button', class: 'button quiet icon-only', 'aria-label': t('action.palette'), title: `${t('action.palette')} (${keysOf('palette')})`, on: { click: () => this.do('palette') } }, icon('search'));
    const split = h('button', { type: 'button', class: 'button quiet icon-only split-button', 'aria-label': t('action.split-row'), title: `${t('action.split-row')} (${keysOf('split-row')})`, on: { click: () => this.do('split-row') } }, icon('split-h'));
    this.root = h('div', { class: 'work' }, h('header', { class: 'work-head' }, this.tabs.root, h('div', { class: 'work-tools' }, split, palette, account)), this.warning, this.home, this.stage, this.touch.root);
    clear(place);
    place.append(this.root);
    document.addEventListener('keydown', this.onKey);
    window.addEventListener('beforeunload', this.leaving);
    this.forget = onSettings(() => this.draw());
  }

  /** What was open last, on whichever device; then the start page or the first tab. */
  async open(): Promise<void> {
    const kept = recall('layout') as KeptLayout | undefined;
    const [{ sessions }] = await Promise.all([api.get<{ sessions: Session[] }>('/api/sessions'), this.learnHosts()]);
    // Who was quick has gone somewhere meanwhile, and types there: what comes back comes behind it.
    const busy = this.chosen;
    this.restore(kept, sessions.filter((session) => session.state !== 'ended'), busy);
    this.restored = true;
    if (!busy) return this.show(this.front);
    this.draw();
    this.keepLayout();
  }

  destroy(): void {
    document.removeEventListener('keydown', this.onKey);
    window.removeEventListener('beforeunload', this.leaving);
    this.forget();
    this.start?.destroy();
    for (const group of this.groups) for (const pane of group.panes.values()) pane.dispose();
    this.root.remove();
    this.proofs.sweep();
  }

  private readonly leaving = (): void => void save();

  private async learnHosts(): Promise<void> {
    this.hosts = (await api.get<{ hosts: Host[] }>('/api/hosts')).hosts;
  }

  // ---- opening ----

  private goalOf(host: Host): Goal {
    return { host_id: host.id, title: host.label || `${host.user}@${host.address}`, colour: host.colour, osc52: host.osc52 };
  }

  private goalOfSession(session: Session): Goal {
    const host = this.hosts.find((one) => one.id === session.host_id);
    if (host) return this.goalOf(host);
    return { address: session.address, port: session.port, user: session.user, credential_id: null, title: session.title };
  }

  /** In a tab of its own; `session`: one that runs already. */
  private launch(goal: Goal, session?: string): Pane {
    const pane = new Pane(goal, this);
    const group = new Group(pane, () => this.keepLayout());
    this.groups.push(group);
    this.show(group);
    if (session === undefined) void pane.start();
    else pane.attach(session);
    return pane;
  }

  private attach(session: Session): void {
    const held = this.holderOf(session.id);
    if (!held) return void this.launch(this.goalOfSession(session), session.id);
    held.group.choose(held.pane.id);
    this.show(held.group);
  }

  /** Where a terminal is open already. */
  private holderOf(session: string): { group: Group; pane: Pane } | null {
    for (const group of this.groups) for (const pane of group.panes.values()) if (pane.session === session && pane.state !== 'ended') return { group, pane };
    return null;
  }

  private split(direction: 'row' | 'column'): void {
    const group = this.front;
    if (!group) return;
    const pane = new Pane(group.pane.goal, this);
    group.add(pane, direction);
    void pane.start();
    pane.focus();
    this.draw();
  }

  // ---- showing ----

  private group(id: string): Group | null {
    return this.groups.find((group) => group.id === id) ?? null;
  }

  private show(group: Group | null): void {
    this.chosen = true;
    this.front = group;
    this.home.hidden = group !== null;
    this.stage.hidden = group === null;
    this.root.classList.toggle('in-terminal', group !== null);
    if (group) {
      this.start?.destroy();
      this.start = null;
      group.activity = false;
      this.stage.replaceChildren(group.root);
      group.draw();
      group.pane.focus();
    } else {
      this.stage.replaceChildren();
      this.start ??= showStart(this.home, { user: this.user, openHost: (host) => this.openHost(host), openQuick: (quick) => void this.launch({ ...quick, title: `${quick.user}@${quick.address}` }), attach: (session) => this.attach(session), openHostKeys: () => void openHostKeys() });
      this.start.focusSearch();
    }
    this.draw();
    this.keepLayout();
  }

  private openHost(host: Host): void {
    // Hosts may have been added on the start page since.
    this.hosts = [...this.hosts.filter((one) => one.id !== host.id), host];
    this.launch(this.goalOf(host));
  }

  private draw(): void {
    const faces = this.groups.map((group) => {
      const { pane } = group;
      const title = group.panes.size > 1 ? `${pane.title} (${group.panes.size})` : pane.title;
      return { id: group.id, title, state: pane.state, activity: group.activity, broadcast: group.broadcast !== null, colour: pane.goal.colour ?? '' };
    });
    this.tabs.draw(faces, this.front?.id ?? null);
    this.touch.refresh();
    this.drawWarning();
    document.title = this.front ? `${this.front.pane.title} – Footbridge` : 'Footbridge';
  }

  private drawWarning(): void {
    const to = this.front?.broadcast;
    this.warning.hidden = !to;
    this.root.classList.toggle('broadcasting', Boolean(to));
    if (!to || !this.front) return this.warning.replaceChildren();
    const boxes = this.front.order().map((pane) => {
      const box = h('input', { type: 'checkbox', checked: to.has(pane.id) }) as HTMLInputElement;
      box.addEventListener('change', () => {
        if (box.checked) to.add(pane.id);
        else to.delete(pane.id);
        this.front?.mark();
      });
      return h('label', {}, box, pane.title);
    });
    this.warning.replaceChildren(icon('broadcast'), h('strong', {}, t('broadcast.warning')), ...boxes, h('button', { type: 'button', class: 'button', on: { click: () => this.do('broadcast') } }, t('broadcast.stop')));
  }

  private move(id: string, before: string | null): void {
    const at = this.groups.findIndex((group) => group.id === id);
    const [moved] = this.groups.splice(at, 1);
    const to = before === null ? this.groups.length : this.groups.findIndex((group) => group.id === before);
    if (moved) this.groups.splice(to < 0 ? this.groups.length : to, 0, moved);
    this.draw();
    this.keepLayout();
  }

  // ---- closing ----

  /** The page lets go; what runs goes on, unless the user says otherwise. */
  private async closePane(group: Group, pane: Pane): Promise<void> {
    if (!(await this.mayClose([pane]))) return pane.focus();
    if (!group.remove(pane)) this.drop(group);
    else group.pane.focus();
    this.proofs.sweep();
    this.draw();
    this.keepLayout();
  }

  private closeGroup(id: string): void {
    const group = this.group(id);
    if (!group) return;
    void this.mayClose([...group.panes.values()]).then((yes) => {
      if (!yes) return;
      for (const pane of [...group.panes.values()]) group.remove(pane);
      this.drop(group);
      this.proofs.sweep();
    });
  }

  private drop(group: Group): void {
    const at = this.groups.indexOf(group);
    this.groups.splice(at, 1);
    if (this.front === group) this.show(this.groups[Math.min(at, this.groups.length - 1)] ?? null);
    else this.draw();
    this.keepLayout();
  }

  /** Running terminals can go on without a tab: they stay in the list of live terminals. */
  private async mayClose(closing: Pane[]): Promise<boolean> {
    const running = closing.filter((pane) => pane.session !== null && pane.state !== 'ended');
    if (running.length === 0) return true;
    const text = running.length === 1 ? t('close.text.one', { title: running[0]?.title ?? '' }) : t('close.text.many', { count: running.length });
    const body = h('form', { class: 'form' }, h('p', { class: 'dialog-text' }, text));
    const end = async (): Promise<boolean> => {
      const ended = await Promise.allSettled(running.map((pane) => api.del(`/api/sessions/${pane.session}`)));
      const failed = ended.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : [])).filter((why) => !(why instanceof ApiError && why.status === 404));
      // It runs on, and whoever wanted its end must know.
      if (failed[0] instanceof ApiError) showProblem(body, failed[0]);
      else if (failed.length > 0) throw failed[0];
      return failed.length === 0;
    };
    const answer = await openDialog({ title: t('close.title'), body, alert: true, actions: [{ label: t('base.cancel') }, { label: t('close.end'), kind: 'danger', value: 'end', submit: end }, { label: t('close.keep'), kind: 'primary', value: 'keep' }] });
    return answer !== null;
  }

  private async endTerminal(pane: Pane): Promise<void> {
    const { session, title } = pane;
    if (session === null || pane.state === 'ended') return;
    if (await confirmDanger({ title: t('start.end.title', { name: title }), text: t('start.end.text'), action: t('start.end') })) void orToast(() => api.del(`/api/sessions/${session}`));
    pane.focus();
  }

  // ---- what panes tell ----

  changed(pane: Pane): void {
    if (pane.state === 'live') this.keepLayout();
    this.start?.look();
    this.draw();
  }

  printed(pane: Pane): void {
    const group = this.groups.find((one) => one.panes.has(pane.id));
    if (!group || group === this.front || group.activity) return;
    group.activity = true;
    this.draw();
  }

  typed(pane: Pane, bytes: Uint8Array): void {
    const to = this.front?.broadcast;
    if (!to?.has(pane.id)) return;
    for (const other of this.front?.panes.values() ?? []) if (other !== pane && to.has(other.id)) other.type(bytes);
  }

  async overridden(pane: Pane, session: string, question: HostKeyQuestion): Promise<boolean> {
    return (await this.proofs.ask(pane, async () => pane.asks(question) && overrideHostKey(session, question))) ?? false;
  }

  async allowed<T>(pane: Pane, deed: (proof?: PlaceProof) => Promise<T>): Promise<{ done: T } | null> {
    return this.proofs.ask(pane, async (waited) => (waited ? await allowedBy(deed) : null) ?? this.askForPlace(pane.goal, deed));
  }

  /** Where a saved host leads is the box's to say: it may have been changed elsewhere, and by somebody else. */
  private async askForPlace<T>(goal: Goal, deed: (proof: PlaceProof) => Promise<T>): Promise<{ done: T } | null> {
    const { address = '', port = 22 } = goal.host_id === undefined ? goal : await api.get<Host>(`/api/hosts/${goal.host_id}`);
    return allowPlace({ address, port }, (proof) => deed({ address, port, proof }));
  }

  focused(pane: Pane): void {
    const group = this.front;
    if (!group?.panes.has(pane.id) || group.active === pane.id) return;
    group.choose(pane.id);
    this.draw();
  }

  dismissed(pane: Pane): void {
    const group = this.groups.find((one) => one.panes.has(pane.id));
    if (group) void this.closePane(group, pane);
  }

  key(event: KeyboardEvent, pane: Pane): boolean {
    const stolen = stolenKey(event);
    if (stolen !== null) {
      if (event.type === 'keydown') pane.press(stolen);
      return this.taken(event);
    }
    // Ctrl+C is the interrupt, unless something is selected.
    if (event.ctrlKey && !event.shiftKey && !event.altKey && event.key.toLowerCase() === 'c' && pane.hasSelection) {
      if (event.type === 'keydown') void pane.copy().then(() => pane.term.clearSelection());
      return this.taken(event);
    }
    // The rest of ours is for the page's own handler; xterm.js must only not see it.
    return actionFor(event) === null && tabNumber(event) === null;
  }

  private taken(event: Event): false {
    event.preventDefault();
    return false;
  }

  // ---- keys and actions ----

  private pageKey(event: KeyboardEvent): void {
    // A dialog has the keys, but for the one that is for haste.
    if (document.querySelector('dialog[open]') && actionFor(event) !== 'lock') return;
    const writing = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
    const inTerminal = event.target instanceof HTMLElement && event.target.closest('.screen') !== null;
    if (event.key === '?' && !writing && !inTerminal && !event.ctrlKey && !event.altKey) return this.take(event, 'help');
    const number = tabNumber(event);
    if (number !== null && (inTerminal || !writing)) {
      const group = this.groups[number];
      if (group) this.show(group);
      return event.preventDefault();
    }
    const action = actionFor(event);
    // Copy and paste in a field of the page are the browser's.
    if (action !== null && !(writing && !inTerminal && ['copy', 'paste'].includes(action))) this.take(event, action);
  }

  private take(event: KeyboardEvent, action: ActionId): void {
    event.preventDefault();
    this.do(action);
  }

  do(action: ActionId): void {
    const group = this.front;
    const pane = group?.pane;
    switch (action) {
      case 'palette': return void this.palette();
      case 'home': return this.show(null);
      case 'settings': return void openSettings();
      case 'help': return void openHelp();
      case 'keys': return void openKeys();
      case 'host-keys': return void openHostKeys();
      case 'account': return void openAccount(this.state, this.user);
      case 'users': return void openUsers(this.user.id);
      case 'audit': return void openAudit();
      case 'lock': return this.lockNow();
      case 'sign-out': return void this.signOut();
      case 'next-tab': return this.stepTab(1);
      case 'previous-tab': return this.stepTab(-1);
      case 'tab-right': return this.shiftTab(1);
      case 'tab-left': return this.shiftTab(-1);
      case 'larger': return change({ fontSize: Math.min(32, settings.fontSize + 1) });
      case 'smaller': return change({ fontSize: Math.max(8, settings.fontSize - 1) });
      case 'usual-size': return change({ fontSize: 14 });
    }
    if (!group || !pane) return;
    switch (action) {
      case 'copy': return void pane.copy();
      case 'paste': return void pane.pasteClipboard();
      case 'find': return pane.openFind();
      case 'split-row': return this.split('row');
      case 'split-column': return this.split('column');
      case 'close-pane': return void this.closePane(group, pane);
      case 'end-terminal': return void this.endTerminal(pane);
      case 'next-pane': group.step(1); return this.draw();
      case 'previous-pane': group.step(-1); return this.draw();
      case 'broadcast': return this.broadcast(group);
      case 'clear': return pane.term.clear();
    }
  }

  private broadcast(group: Group): void {
    if (group.broadcast) group.broadcast = null;
    else if (group.panes.size > 1) group.broadcast = new Set(group.panes.keys());
    else return toast(t('broadcast.alone'), 'warn');
    announce(t(group.broadcast ? 'broadcast.warning' : 'broadcast.off'), true);
    group.mark();
    this.draw();
    group.pane.focus();
  }

  private stepTab(by: 1 | -1): void {
    const all = [null, ...this.groups];
    const at = all.indexOf(this.front);
    this.show(all[(at + by + all.length) % all.length] ?? null);
  }

  private shiftTab(by: 1 | -1): void {
    const at = this.front ? this.groups.indexOf(this.front) : -1;
    const to = at + by;
    if (at < 0 || to < 0 || to >= this.groups.length || !this.front) return;
    this.groups.splice(at, 1);
    this.groups.splice(to, 0, this.front);
    this.draw();
    this.keepLayout();
  }

  private menu(button: HTMLElement): void {
    const item = (action: ActionId, name: Parameters<typeof icon>[0]) => ({ label: t(`action.${action}`), icon: name, run: () => this.do(action) });
    const terminal = this.front ? [item('split-row', 'split-h'), item('split-column', 'split-v'), item('find', 'search'), item('broadcast', 'broadcast')] : [];
    // A phone shows one pane at a time, and has no keys for the next.
    const other = this.front && this.front.panes.size > 1 ? [item('next-pane', 'chevron')] : [];
    openMenu(button, t('work.menu', { name: this.user.name }), [...other, ...terminal, item('keys', 'key'), item('host-keys', 'lock'), item('settings', 'settings'), item('help', 'keyboard'), item('account', 'user'), ...this.forAdministrators.filter(() => this.user.role === 'administrator').map((id) => item(id, id === 'users' ? 'edit' : 'search')), item('lock', 'lock'), item('sign-out', 'logout')]);
  }

  /** At once, with what is known; the terminals that run, and hosts that were added elsewhere, come into it. */
  private palette(): Promise<void> {
    const hosts = (): Entry[] => this.hosts.map((host) => ({ id: `host-${host.id}`, label: host.label || `${host.user}@${host.address}`, detail: `${host.user}@${host.address} ${host.tags.join(' ')}`.trim(), icon: 'host', run: () => this.openHost(host) }));
    const actions = ACTIONS.filter(({ id }) => id !== 'palette' && (this.user.role === 'administrator' || !(this.forAdministrators as readonly string[]).includes(id))).map(({ id }): Entry => ({ id: `action-${id}`, label: t(`action.${id}`), detail: keysOf(id), icon: 'play', run: () => this.do(id) }));
    const all = async (): Promise<Entry[]> => {
      const [running] = await Promise.all([api.get<{ sessions: Session[] }>('/api/sessions').catch(() => ({ sessions: [] })), this.learnHosts().catch(() => undefined)]);
      const live = running.sessions.filter((session) => session.state !== 'ended').map((session): Entry => ({ id: `live-${session.id}`, label: this.goalOfSession(session).title, detail: t('palette.live'), icon: 'terminal', run: () => this.attach(session) }));
      return [...live, ...hosts(), ...actions];
    };
    return openPalette([...hosts(), ...actions], all());
  }

  /** Waits for nothing: what has to be kept is sent beside it. */
  private lockNow(): void {
    void save();
    this.lock(this.user.name);
  }

  private async signOut(): Promise<void> {
    const here = untouched();
    const { sessions } = await api.get<{ sessions: Session[] }>('/api/sessions').catch(() => ({ sessions: [] }));
    await save();
    if (here() && await signOut(sessions.filter((session) => session.state !== 'ended').length)) this.again();
  }

  // ---- the layout on any device ----

  private keepLayout(): void {
    // What is kept is what comes back, until it is there.
    if (!this.restored) return;
    const tabs = this.groups.flatMap((group): KeptTab[] => {
      const tree = renamed(group.tree, (id) => {
        const pane = group.panes.get(id);
        return pane && pane.state !== 'ended' ? pane.session : null;
      });
      return tree ? [{ tree, active: group.pane.session ?? '' }] : [];
    });
    const front = this.front ? this.groups.indexOf(this.front) : -1;
    const layout = { tabs, front };
    if (JSON.stringify(recall('layout')) !== JSON.stringify(layout)) keep('layout', layout);
  }

  private restore(kept: KeptLayout | undefined, sessions: Session[], busy: boolean): void {
    const tabs = Array.isArray(kept?.tabs) ? (kept.tabs as Record<string, unknown>[]) : [];
    const front = tabs[Number(kept?.front ?? -1)];
    let gone = 0;
    for (const tab of tabs) {
      const tree = readNode(tab['tree']);
      gone += tree ? idsOf(tree).filter((id) => !sessions.some((session) => session.id === id)).length : 0;
      const first = tab === front && !busy;
      const group = this.restoreTab(tree, sessions, String(tab['active']), first);
      if (group && first) this.front = group;
    }
    if (gone > 0) toast(t(gone === 1 ? 'work.gone.one' : 'work.gone.many', { count: gone }), 'warn');
  }

  private restoreTab(tree: Node | null, sessions: Session[], active: string, first: boolean): Group | null {
    if (!tree) return null;
    const panes = new Map<string, Pane>();
    for (const id of idsOf(tree)) {
      const session = sessions.find((one) => one.id === id);
      // Who was quick may have this one open already.
      if (session && !panes.has(id) && !this.holderOf(id)) panes.set(id, new Pane(this.goalOfSession(session), this));
    }
    const here = renamed(tree, (id) => panes.get(id)?.id ?? null);
    const group = here && Group.restored(here, [...panes.values()], () => this.keepLayout());
    if (!group) return null;
    group.active = panes.get(active)?.id ?? group.active;
    this.groups.push(group);
    // What is looked at comes first: the others would fill the line and the browser with what nobody sees yet.
    for (const [session, pane] of panes) {
      pane.session = session;
      if (first) pane.attach(session);
      else window.setTimeout(() => this.root.isConnected && group.panes.has(pane.id) && pane.attach(session), BEHIND_MS);
    }
    return group;
  }
}

/** Null: the proof that was given meanwhile was for another place. */
async function allowedBy<T>(deed: () => Promise<T>): Promise<{ done: T } | null> {
  try {
    return { done: await deed() };
  } catch (error) {
    if (error instanceof ApiError && error.code === 'proof_needed') return null;
    throw error;
  }
}
