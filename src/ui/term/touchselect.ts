// Selecting with a finger (T3): hold to take the word, drag on to take more, two handles to correct it, a bar to copy it. xterm.js
// selects with a mouse only; a finger that moves at once scrolls, as before.

import type { IBuffer, Terminal } from '@xterm/xterm';
import { announce } from '../base/announce';
import { h } from '../base/dom';
import { t } from '../base/text';
import { wordAround } from './word';

/** Held so long it is no tap. What Android and iOS take. */
const HOLD_MS = 500;
/** A finger is never quite still. */
const STILL_PX = 10;
/** So near to the edge the screen scrolls along. */
const EDGE_PX = 28;
const SCROLL_EVERY_MS = 60;
/** What is drawn of a handle, beside its end of the selection. */
const HANDLE_PX = 22;

export interface TouchActions {
  copy(): void;
  paste(): void;
}

/** Positions are counted in cells since the first one in the scrollback: row times columns, plus column. A range is from, to (not in it). */
interface Range {
  from: number;
  to: number;
}

export class TouchSelect {
  private holdTimer = 0;
  private scrollTimer = 0;
  private startedAt = { x: 0, y: 0 };
  /** What was taken first; the selection never becomes less than it while the finger is down. */
  private anchor: Range | null = null;
  private shown = false;
  private touching = false;
  private readonly from = h('div', { class: 'touch-handle from', hidden: true, 'aria-hidden': 'true' });
  private readonly to = h('div', { class: 'touch-handle to', hidden: true, 'aria-hidden': 'true' });
  private readonly bar: HTMLElement;

  constructor(
    private readonly term: Terminal,
    private readonly screen: HTMLElement,
    root: HTMLElement,
    private readonly actions: TouchActions,
  ) {
    const button = (label: string, run: () => void): HTMLElement => h('button', { type: 'button', class: 'button', on: { click: run } }, label);
    this.bar = h('div', { class: 'touch-selection', role: 'toolbar', hidden: true, 'aria-label': t('touch.selection') },
      button(t('touch.copy'), () => this.done(() => this.actions.copy())),
      button(t('touch.all'), () => this.all()),
      button(t('touch.paste'), () => this.done(() => this.actions.paste())),
      button(t('touch.done'), () => this.done(() => undefined)));
    // The focus stays where it is, and the soft keyboard with it.
    this.bar.addEventListener('pointerdown', (event) => event.preventDefault());
    root.append(this.from, this.to, this.bar);
    // Before xterm.js, which would scroll.
    screen.addEventListener('touchstart', (event) => this.began(event), { capture: true, passive: true });
    screen.addEventListener('touchmove', (event) => this.moved(event), { capture: true, passive: false });
    screen.addEventListener('touchend', (event) => this.lifted(event), { capture: true, passive: false });
    screen.addEventListener('touchcancel', () => this.letGo(), { capture: true });
    // Android asks for a menu after the same time; the page's right click would paste.
    screen.addEventListener('contextmenu', (event) => this.touching && stop(event), { capture: true });
    this.drags(this.from);
    this.drags(this.to);
    term.onSelectionChange(() => (term.hasSelection() ? this.place() : this.hide()));
    term.onRender(() => this.place());
    term.onScroll(() => this.place());
  }

  // ---- the finger ----

  private began(event: TouchEvent): void {
    this.letGo();
    const [finger] = event.touches;
    if (!finger || event.touches.length > 1) return;
    this.touching = true;
    this.startedAt = { x: finger.clientX, y: finger.clientY };
    this.holdTimer = window.setTimeout(() => this.held(), HOLD_MS);
  }

  private held(): void {
    const { x, y } = this.startedAt;
    const at = this.cellAt(x, y);
    this.anchor = wordAround(at, this.reader(at));
    navigator.vibrate?.(10);
    this.select(this.anchor);
    this.show();
    announce(t('touch.selected'));
  }

  private moved(event: TouchEvent): void {
    const [finger] = event.touches;
    if (!finger || event.touches.length > 1) return this.letGo();
    if (this.anchor === null) {
      if (Math.hypot(finger.clientX - this.startedAt.x, finger.clientY - this.startedAt.y) > STILL_PX) window.clearTimeout(this.holdTimer);
      return;
    }
    stop(event);
    this.reach(this.anchor, finger.clientX, finger.clientY);
  }

  private lifted(event: TouchEvent): void {
    // Else the browser makes a click of it, and a click ends the selection.
    if (this.anchor !== null) stop(event);
    this.letGo();
  }

  private letGo(): void {
    window.clearTimeout(this.holdTimer);
    window.clearInterval(this.scrollTimer);
    this.anchor = null;
    this.touching = false;
  }

  /** From what was taken first to where the finger is; at an edge the screen comes along. */
  private reach(anchor: Range, x: number, y: number): void {
    window.clearInterval(this.scrollTimer);
    const extend = (): void => {
      const at = this.cellAt(x, y);
      this.select({ from: Math.min(anchor.from, at), to: Math.max(anchor.to, at + 1) });
    };
    extend();
    const { top, bottom } = this.cells();
    const by = y < top + EDGE_PX ? -1 : y > bottom - EDGE_PX ? 1 : 0;
    if (by !== 0) {
      this.scrollTimer = window.setInterval(() => {
        this.term.scrollLines(by);
        extend();
      }, SCROLL_EVERY_MS);
    }
  }

  /** A handle moves its end; the other stays. */
  private drags(handle: HTMLElement): void {
    let other: Range | null = null;
    let lift = 0;
    handle.addEventListener('pointerdown', (event) => {
      const range = this.range();
      if (!range) return;
      event.preventDefault();
      handle.setPointerCapture(event.pointerId);
      other = handle === this.from ? { from: range.to, to: range.to } : { from: range.from, to: range.from };
      // The finger holds the handle, which hangs below the row that it means.
      lift = event.clientY - handle.getBoundingClientRect().top + this.cells().height / 2;
    });
    handle.addEventListener('pointermove', (event) => other && this.reach(other, event.clientX, event.clientY - lift));
    const end = (): void => {
      window.clearInterval(this.scrollTimer);
      other = null;
    };
    handle.addEventListener('pointerup', end);
    handle.addEventListener('pointercancel', end);
  }

  // ---- what is selected ----

  private get buffer(): IBuffer {
    return this.term.buffer.active;
  }

  private cells(): { left: number; top: number; bottom: number; width: number; height: number } {
    const box = (this.screen.querySelector('.xterm-screen') ?? this.screen).getBoundingClientRect();
    return { left: box.left, top: box.top, bottom: box.bottom, width: box.width / this.term.cols, height: box.height / this.term.rows };
  }

  private cellAt(x: number, y: number): number {
    const { left, top, width, height } = this.cells();
    const column = clamp(Math.floor((x - left) / width), 0, this.term.cols - 1);
    const row = clamp(Math.floor((y - top) / height), 0, this.term.rows - 1);
    return (this.buffer.viewportY + row) * this.term.cols + column;
  }

  /** Reads characters of the line of that cell, over its wrapped rows. Null beyond its ends. */
  private reader(at: number): (cell: number) => string | null {
    const { cols } = this.term;
    const row = (cell: number): number => Math.floor(cell / cols);
    let [first, last] = [row(at), row(at)];
    while (this.buffer.getLine(first)?.isWrapped) first -= 1;
    while (this.buffer.getLine(last + 1)?.isWrapped) last += 1;
    return (cell) => {
      if (row(cell) < first || row(cell) > last) return null;
      const found = this.buffer.getLine(row(cell))?.getCell(cell % cols);
      // The second half of a wide character belongs to the first.
      return found?.getWidth() === 0 ? 'w' : (found?.getChars() ?? '');
    };
  }

  private select({ from, to }: Range): void {
    const { cols } = this.term;
    this.term.select(from % cols, Math.floor(from / cols), Math.max(1, to - from));
  }

  private range(): Range | null {
    const found = this.term.getSelectionPosition();
    if (!found) return null;
    return { from: found.start.y * this.term.cols + found.start.x, to: found.end.y * this.term.cols + found.end.x };
  }

  private all(): void {
    this.term.selectAll();
    this.show();
  }

  private done(run: () => void): void {
    run();
    this.term.clearSelection();
    this.hide();
  }

  // ---- what is shown of it ----

  private show(): void {
    this.shown = true;
    this.bar.hidden = false;
    this.place();
  }

  private hide(): void {
    this.shown = false;
    this.bar.hidden = this.from.hidden = this.to.hidden = true;
  }

  private place(): void {
    const range = this.shown ? this.range() : null;
    if (!range) return;
    const pane = this.screen.parentElement?.getBoundingClientRect();
    if (!pane) return;
    const above = this.hang(this.from, range.from, pane);
    const below = this.hang(this.to, range.to, pane);
    // Over the selection if there is room, else under it, else in the middle of the screen.
    const { height } = this.bar.getBoundingClientRect();
    const room = this.screen.getBoundingClientRect().bottom - pane.top;
    const top = above !== null && above > height + 8 ? above - height - 8 : below !== null && below + height + 56 < room ? below + 48 : (room - height) / 2;
    this.bar.style.setProperty('top', `${Math.max(4, top)}px`);
  }

  /** Puts a handle under its cell. Answers the top of that cell in the pane; null if it is not on the screen. */
  private hang(handle: HTMLElement, cell: number, pane: DOMRect): number | null {
    const { left, top, width, height } = this.cells();
    const { cols, rows } = this.term;
    // The end of a row is that row's, not the beginning of the next.
    const wraps = handle === this.to && cell % cols === 0 && cell > 0;
    const row = Math.floor(cell / cols) - this.buffer.viewportY - (wraps ? 1 : 0);
    const column = wraps ? cols : cell % cols;
    handle.hidden = row < 0 || row >= rows;
    if (handle.hidden) return null;
    const above = top - pane.top + row * height;
    // At the edge a half handle is all that fits; it is drawn in, so that a finger finds it.
    const x = clamp(left - pane.left + column * width, handle === this.from ? HANDLE_PX : 0, pane.width - (handle === this.to ? HANDLE_PX : 0));
    handle.style.setProperty('left', `${x}px`);
    handle.style.setProperty('top', `${above + height}px`);
    return above;
  }
}

function stop(event: Event): void {
  event.preventDefault();
  event.stopImmediatePropagation();
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
