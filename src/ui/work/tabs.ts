// The tab strip: one tab per group of terminals, with its live state and whether something came while nobody looked.

import { h, icon } from '../base/dom';
import { t } from '../base/text';
import type { PaneState } from '../term/pane';

export interface TabFace {
  id: string;
  title: string;
  state: PaneState;
  activity: boolean;
  broadcast: boolean;
  colour: string;
}

export interface TabOwner {
  choose(id: string): void;
  close(id: string): void;
  home(): void;
  move(id: string, before: string | null): void;
}

const STATE_WORDS: Record<PaneState, string> = { connecting: 'tab.connecting', asking: 'tab.asking', live: 'tab.live', away: 'tab.away', ended: 'tab.ended' };

export class TabStrip {
  readonly root = h('div', { class: 'tabs', role: 'tablist', 'aria-label': t('tab.list') });
  private dragged: string | null = null;

  constructor(private readonly owner: TabOwner) {
    this.root.addEventListener('keydown', (event) => this.key(event));
  }

  /** Tabs that are still there keep their elements, and with them the focus. */
  draw(faces: TabFace[], active: string | null): void {
    const old = new Map([...this.root.children].map((element) => [element.getAttribute('data-tab'), element]));
    const home = (old.get('home') as HTMLElement | undefined) ?? this.home();
    // It stays in sight wherever the strip stands; beside it, a row of tabs begins with the first.
    const cameHome = active === null && !home.classList.contains('active');
    mark(home, active === null);
    const wanted = [home, ...faces.map((face) => this.dress((old.get(face.id) as HTMLElement | undefined) ?? this.tab(face.id), face, face.id === active))];
    for (const [at, element] of wanted.entries()) if (this.root.children[at] !== element) this.root.insertBefore(element, this.root.children[at] ?? null);
    while (this.root.children.length > wanted.length) this.root.lastElementChild?.remove();
    if (cameHome) this.root.scrollLeft = 0;
    wanted.find((element) => element.classList.contains('active'))?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  private home(): HTMLElement {
    return h('div', { class: 'tab home', 'data-tab': 'home', role: 'presentation' }, h('button', { type: 'button', role: 'tab', class: 'tab-face', 'aria-label': t('tab.home'), title: t('tab.home'), on: { click: () => this.owner.home() } }, icon('host')));
  }

  private tab(id: string): HTMLElement {
    const face = h('button', { type: 'button', role: 'tab', class: 'tab-face', on: { click: () => this.owner.choose(id) } });
    // A tab list holds tabs and nothing else. For the mouse there is a cross; the keyboard has Delete, as in every tab list.
    const close = h('button', { type: 'button', class: 'tab-close', tabindex: '-1', 'aria-hidden': 'true', on: { click: () => this.owner.close(id) } }, icon('close'));
    const tab = h('div', { class: 'tab', 'data-tab': id, role: 'presentation', draggable: 'true' }, face, close);
    tab.addEventListener('auxclick', (event) => {
      if (event.button !== 1) return;
      event.preventDefault();
      this.owner.close(id);
    });
    tab.addEventListener('dragstart', () => (this.dragged = id));
    tab.addEventListener('dragover', (event) => event.preventDefault());
    tab.addEventListener('drop', (event) => {
      event.preventDefault();
      event.stopPropagation();
      if (this.dragged !== null && this.dragged !== id) this.owner.move(this.dragged, id);
      this.dragged = null;
    });
    return tab;
  }

  private dress(tab: HTMLElement, face: TabFace, active: boolean): HTMLElement {
    const words = [face.title, t(STATE_WORDS[face.state]), face.activity ? t('tab.activity') : '', face.broadcast ? t('broadcast.on') : ''].filter((word) => word !== '').join(', ');
    const key = JSON.stringify([face, active]);
    if (tab.dataset['drawn'] === key) return tab;
    tab.dataset['drawn'] = key;
    tab.dataset['state'] = face.state;
    tab.dataset['colour'] = face.colour || 'none';
    tab.classList.toggle('has-activity', face.activity);
    tab.classList.toggle('has-broadcast', face.broadcast);
    const button = tab.querySelector<HTMLElement>('.tab-face');
    button?.replaceChildren(h('span', { class: 'tab-state', 'aria-hidden': 'true' }), h('span', { class: 'tab-title' }, face.title));
    button?.setAttribute('aria-label', words);
    button?.setAttribute('title', words);
    tab.querySelector('.tab-close')?.setAttribute('title', t('tab.close', { title: face.title }));
    mark(tab, active);
    return tab;
  }

  /** Left and right walk, Delete closes, Shift moves: as in every tab list. */
  private key(event: KeyboardEvent): void {
    const all = [...this.root.querySelectorAll<HTMLElement>('.tab-face')];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const id = all[at]?.parentElement?.dataset['tab'] ?? 'home';
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (at < 0) return;
    if (step !== 0) all[(at + step + all.length) % all.length]?.focus();
    else if (event.key === 'Home') all[0]?.focus();
    else if (event.key === 'End') all[all.length - 1]?.focus();
    else if (event.key === 'Delete' && id !== 'home') this.owner.close(id);
    else return;
    event.preventDefault();
  }
}

function mark(tab: HTMLElement, active: boolean): void {
  tab.classList.toggle('active', active);
  const face = tab.querySelector('.tab-face');
  face?.setAttribute('aria-selected', String(active));
  face?.setAttribute('tabindex', active ? '0' : '-1');
}
