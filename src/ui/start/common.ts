// Small parts that the start page and its dialogs share.

import { ApiError } from '../base/api';
import { announce, toast } from '../base/announce';
import { h, icon } from '../base/dom';
import { Question, leadBack, redraw } from '../base/late';
import { t } from '../base/text';
import type { Host } from '../base/types';
import { age } from './hostlist';

export const COLOURS = ['', 'red', 'orange', 'yellow', 'green', 'teal', 'blue', 'purple', 'pink'] as const;

export type IconName = Parameters<typeof icon>[0];

export function agoText(since: number, now = Date.now() / 1000): string {
  const { unit, count } = age(since, now);
  if (unit === 'now') return t('start.ago.now');
  return t(count === 1 ? `start.ago.${unit}` : `start.ago.${unit}s`, { count });
}

export function countText(key: string, count: number): string {
  return t(count === 1 ? `${key}.one` : `${key}.many`, { count });
}

/** A button that is only a picture: its name is read and shown on hover. */
export function iconButton(name: IconName, label: string, click: (event: Event) => void, classes = ''): HTMLButtonElement {
  return h('button', { type: 'button', class: `button quiet icon-only ${classes}`.trim(), 'aria-label': label, title: label, 'data-focus': label, on: { click } }, icon(name)) as HTMLButtonElement;
}

/** A cell of the host's own colour; the colour is decoration, its name is in the edit dialog. */
export function hostDot(host: Pick<Host, 'colour'>, name: IconName = 'host'): HTMLElement {
  return h('span', { class: 'host-dot', 'data-colour': host.colour || 'none', 'aria-hidden': 'true' }, icon(name));
}

export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(t('start.copied'), 'ok');
  } catch {
    toast(t('start.copy.failed'), 'warn');
  }
}

/** Text to take along: shown whole, selectable, with a copy button. */
export function copyBox(label: string, text: string): HTMLElement {
  return h(
    'div',
    { class: 'copy-box' },
    h('div', { class: 'copy-head' }, h('span', { class: 'copy-label' }, label), h('button', { type: 'button', class: 'button', on: { click: () => void copyText(text) } }, icon('copy'), t('start.copy'))),
    h('pre', { tabindex: '0', 'aria-label': label }, text),
  );
}

export interface TextDrop {
  label: string;
  placeholder: string;
  rows: number;
  /** Bytes of a file above which it is surely not what was meant. */
  most: number;
}

/** A text area that also takes a file, dropped on it or chosen. */
export function textDrop(area: HTMLTextAreaElement, options: TextDrop): HTMLElement {
  area.rows = options.rows;
  area.placeholder = options.placeholder;
  area.classList.add('drop-area');
  for (const [key, value] of [['autocapitalize', 'none'], ['autocomplete', 'off'], ['spellcheck', 'false'], ['wrap', 'off']] as const) area.setAttribute(key, value);
  const take = async (file: File | undefined | null): Promise<void> => {
    if (!file) return;
    if (file.size > options.most) return toast(t('start.drop.large', { name: file.name }), 'warn');
    area.value = await file.text();
    area.dispatchEvent(new Event('input', { bubbles: true }));
    announce(t('start.drop.taken', { name: file.name }));
  };
  area.addEventListener('dragover', (event) => {
    event.preventDefault();
    area.classList.add('dropping');
  });
  area.addEventListener('dragleave', () => area.classList.remove('dropping'));
  area.addEventListener('drop', (event) => {
    area.classList.remove('dropping');
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    void take(event.dataTransfer.files[0]);
  });
  const chooser = h('input', { type: 'file', class: 'hidden', tabindex: '-1', 'aria-hidden': 'true' }) as HTMLInputElement;
  chooser.addEventListener('change', () => void take(chooser.files?.[0]));
  const button = h('button', { type: 'button', class: 'button', on: { click: () => chooser.click() } }, icon('import'), options.label);
  return h('div', { class: 'drop-tools' }, button, h('span', { class: 'hint' }, t('start.drop.hint')), chooser);
}

export interface MenuItem {
  label: string;
  icon: IconName;
  danger?: boolean;
  run: () => void;
}

/** A menu that hangs below its button, closes on Escape, choice, or a click elsewhere, and gives the focus back. */
export function openMenu(button: HTMLElement, label: string, items: MenuItem[]): void {
  if (button.getAttribute('aria-expanded') === 'true') return;
  const rows = items.map((item) => h('button', { type: 'button', role: 'menuitem', tabindex: '-1', class: item.danger ? 'menu-item danger' : 'menu-item' }, icon(item.icon), item.label));
  const menu = h('div', { class: 'menu', role: 'menu', 'aria-label': label, popover: 'auto' }, ...rows);
  (button.closest('dialog') ?? document.body).append(menu);
  rows.forEach((row, at) => row.addEventListener('click', () => close(() => items[at]?.run())));
  menu.addEventListener('keydown', (event) => menuKey(event, rows, () => close()));
  menu.addEventListener('toggle', (event) => {
    if ((event as ToggleEvent).newState === 'closed') finish();
  });
  button.setAttribute('aria-expanded', 'true');
  menu.showPopover();
  placeMenu(menu, button);
  rows[0]?.focus();

  function finish(): void {
    button.setAttribute('aria-expanded', 'false');
    menu.remove();
  }
  function close(then?: () => void): void {
    menu.hidePopover();
    // What is only hidden keeps the focus for a while.
    menu.remove();
    leadBack(button);
    then?.();
  }
}

function menuKey(event: KeyboardEvent, rows: HTMLElement[], close: () => void): void {
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    rows[(to + rows.length) % rows.length]?.focus();
  } else if (event.key === 'Tab' || event.key === 'Escape') {
    event.preventDefault();
    event.stopPropagation();
    close();
  } else if (event.key.length === 1 && event.key !== ' ') {
    rows.find((row) => row.textContent?.trim().toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
  }
}

function placeMenu(menu: HTMLElement, button: HTMLElement): void {
  const at = button.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const below = at.bottom + 4 + size.height <= innerHeight;
  const left = Math.max(8, Math.min(at.right - size.width, innerWidth - size.width - 8));
  menu.style.setProperty('left', `${left}px`);
  menu.style.setProperty('top', `${Math.max(8, below ? at.bottom + 4 : at.top - 4 - size.height)}px`);
}

/** For work that was begun by a click and has nowhere of its own to complain. */
export async function orToast(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast([error.message, error.remedy].filter(Boolean).join(' '), 'danger');
  }
}

/** The place of a list that could not be fetched: what is wrong, what to do, and a way to try again. */
export function failingCard(error: ApiError, retry: () => void): HTMLElement {
  const gone = error.code === 'unreachable';
  return h(
    'div',
    { class: 'empty failing', role: 'alert' },
    h('div', { class: 'empty-art', 'aria-hidden': 'true' }, icon('warn')),
    h('h2', {}, gone ? t('start.failing.title') : error.message),
    h('p', {}, gone ? t('start.failing.text') : error.remedy),
    h('button', { type: 'button', class: 'button primary', 'data-focus': 'retry', on: { click: retry } }, t('start.failing.retry')),
  );
}

/** Rows of the final height, so that nothing jumps when the answer comes. */
export function skeleton(rows: number): HTMLElement {
  return h('div', { class: 'skeleton', 'aria-hidden': 'true' }, ...Array.from({ length: rows }, () => h('div', { class: 'skeleton-row' }, h('span', { class: 'bone dot' }), h('span', { class: 'bone' }), h('span', { class: 'bone short' }))));
}

/** A list that is fetched: bones, then the list, or what went wrong and a way to try again. */
export function fetched<T>(get: () => Promise<T>, show: (value: T, refresh: () => void) => Node): { root: HTMLElement; refresh: () => void } {
  const root = h('div', { class: 'keys-list' }, skeleton(3));
  const question = new Question();
  const refresh = (): void => void fetchInto();
  refresh();
  return { root, refresh };

  async function fetchInto(): Promise<void> {
    const counts = question.ask();
    let node: Node;
    try {
      node = show(await get(), refresh);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      node = failingCard(error, refresh);
    }
    if (counts()) redraw(root, () => root.replaceChildren(node));
  }
}

/** Lines that were not taken, and why. */
export function skippedList(skipped: { line: number; text: string; why: string }[]): HTMLElement {
  return h('ul', { class: 'skipped' }, ...skipped.map((one) => h('li', {}, h('span', { class: 'line-number' }, t('start.line', { line: one.line })), one.text ? h('code', {}, one.text) : null, h('span', {}, one.why))));
}
