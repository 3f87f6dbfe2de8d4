// What a tab shows: its panes, drawn as the layout's tree says, with dividers that the mouse and the keyboard move.

import { clear, h } from '../base/dom';
import { t } from '../base/text';
import type { Pane } from '../term/pane';
import { type Node, type Split, clampShare, leaf, neighbour, panes, split, without } from './layout';

const KEY_STEP = 0.04;

export class Group {
  readonly id = crypto.randomUUID();
  readonly root = h('div', { class: 'group', role: 'tabpanel' });
  readonly panes = new Map<string, Pane>();
  tree: Node;
  active: string;
  activity = false;
  /** Panes that get what is typed in any of them; null while broadcast is off. */
  broadcast: Set<string> | null = null;

  constructor(
    first: Pane,
    private readonly moved: () => void,
  ) {
    this.tree = leaf(first.id);
    this.active = first.id;
    this.panes.set(first.id, first);
    this.draw();
  }

  /** From a tree that was kept, whose leaves are panes' ids by now. */
  static restored(tree: Node, all: Pane[], moved: () => void): Group | null {
    const [first] = all;
    if (!first) return null;
    const group = new Group(first, moved);
    for (const pane of all) group.panes.set(pane.id, pane);
    group.tree = tree;
    group.draw();
    return group;
  }

  get pane(): Pane {
    return (this.panes.get(this.active) ?? [...this.panes.values()][0]) as Pane;
  }

  add(pane: Pane, direction: Split['direction']): void {
    this.tree = split(this.tree, this.active, pane.id, direction);
    this.panes.set(pane.id, pane);
    this.broadcast?.add(pane.id);
    this.active = pane.id;
    this.draw();
  }

  /** False: it was the last one. */
  remove(pane: Pane): boolean {
    const rest = without(this.tree, pane.id);
    const next = neighbour(this.tree, pane.id, -1);
    this.panes.delete(pane.id);
    this.broadcast?.delete(pane.id);
    pane.dispose();
    if (!rest) return false;
    this.tree = rest;
    if (this.active === pane.id) this.active = next;
    if (this.panes.size < 2) this.broadcast = null;
    this.draw();
    return true;
  }

  step(by: 1 | -1): void {
    this.choose(neighbour(this.tree, this.active, by));
    this.pane.focus();
  }

  choose(id: string): void {
    this.active = id;
    this.mark();
  }

  /** Panes are moved, never made anew: their screens stay as they are. */
  draw(): void {
    clear(this.root);
    this.root.append(this.element(this.tree));
    for (const pane of this.panes.values()) if (pane.root.isConnected) pane.open();
    this.mark();
  }

  mark(): void {
    for (const [id, pane] of this.panes) {
      pane.root.classList.toggle('active', id === this.active);
      pane.root.classList.toggle('in-broadcast', this.broadcast?.has(id) ?? false);
    }
    this.root.classList.toggle('several', this.panes.size > 1);
  }

  private element(node: Node): HTMLElement {
    if (node.kind === 'pane') return this.panes.get(node.id)?.root ?? h('div', {});
    const first = this.element(node.first);
    const second = this.element(node.second);
    const divider = h('div', { class: 'divider', role: 'separator', tabindex: '0', 'aria-orientation': node.direction === 'row' ? 'vertical' : 'horizontal', 'aria-label': t('work.divider'), 'aria-valuemin': '10', 'aria-valuemax': '90' });
    const box = h('div', { class: `split ${node.direction}` }, first, divider, second);
    const share = (to: number): void => {
      node.share = clampShare(to);
      for (const [element, part] of [[first, node.share], [second, 1 - node.share]] as const) element.style.setProperty('flex', `${part} 1 0`);
      divider.setAttribute('aria-valuenow', String(Math.round(node.share * 100)));
    };
    share(node.share);
    this.drag(divider, box, node, share);
    return box;
  }

  private drag(divider: HTMLElement, box: HTMLElement, node: Split, share: (to: number) => void): void {
    divider.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      divider.setPointerCapture(event.pointerId);
    });
    divider.addEventListener('pointermove', (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const { left, top, width, height } = box.getBoundingClientRect();
      share(node.direction === 'row' ? (event.clientX - left) / width : (event.clientY - top) / height);
    });
    divider.addEventListener('pointerup', () => this.moved());
    divider.addEventListener('keydown', (event) => {
      const by = ['ArrowRight', 'ArrowDown'].includes(event.key) ? KEY_STEP : ['ArrowLeft', 'ArrowUp'].includes(event.key) ? -KEY_STEP : 0;
      if (by === 0) return;
      event.preventDefault();
      share(node.share + by);
      this.moved();
    });
    divider.addEventListener('dblclick', () => {
      share(0.5);
      this.moved();
    });
  }

  order(): Pane[] {
    return panes(this.tree).flatMap((id) => this.panes.get(id) ?? []);
  }
}
