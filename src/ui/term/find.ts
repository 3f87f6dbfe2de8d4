// The find bar of a pane: in the whole scrollback, with matches counted.

import type { ISearchOptions, SearchAddon } from '@xterm/addon-search';
import { announce } from '../base/announce';
import { h, icon } from '../base/dom';
import { t } from '../base/text';

const DECORATIONS = { matchBackground: '#7a6a1f', matchOverviewRuler: '#c9a400', activeMatchBackground: '#d08a00', activeMatchColorOverviewRuler: '#ff9d00' };

export class FindBar {
  readonly root: HTMLElement;
  private readonly input: HTMLInputElement;
  private readonly count: HTMLElement;
  private readonly options: ISearchOptions = { decorations: DECORATIONS, caseSensitive: false, regex: false };

  constructor(
    private readonly search: SearchAddon,
    private readonly leave: () => void,
  ) {
    this.input = h('input', { type: 'search', 'aria-label': t('term.find'), placeholder: t('term.find'), autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', on: { input: () => this.next(true), keydown: (event) => this.key(event as KeyboardEvent) } }) as HTMLInputElement;
    this.count = h('span', { class: 'find-count', role: 'status' });
    this.root = h(
      'div',
      { class: 'find-bar', role: 'search', hidden: true },
      this.input,
      this.count,
      this.toggle('caseSensitive', 'Aa', t('term.find.case')),
      this.toggle('regex', '.*', t('term.find.regex')),
      button('chevron', t('term.find.previous'), () => this.previous(), 'up'),
      button('chevron', t('term.find.next'), () => this.next(false), 'down'),
      button('close', t('base.close'), () => this.close()),
    );
    search.onDidChangeResults(({ resultIndex, resultCount }) => this.show(resultIndex, resultCount));
  }

  open(): void {
    this.root.hidden = false;
    this.input.focus();
    this.input.select();
    if (this.input.value !== '') this.next(true);
  }

  close(): void {
    this.search.clearDecorations();
    this.root.hidden = true;
    this.leave();
  }

  private toggle(option: 'caseSensitive' | 'regex', label: string, title: string): HTMLElement {
    const made = h('button', { type: 'button', class: 'button quiet find-toggle', 'aria-pressed': 'false', title, 'aria-label': title }, label);
    made.addEventListener('click', () => {
      this.options[option] = !this.options[option];
      made.setAttribute('aria-pressed', String(this.options[option]));
      this.next(true);
    });
    return made;
  }

  private key(event: KeyboardEvent): void {
    if (event.key === 'Enter') {
      event.preventDefault();
      if (event.shiftKey) this.previous();
      else this.next(false);
    } else if (event.key === 'Escape') {
      event.preventDefault();
      this.close();
    }
  }

  private next(incremental: boolean): void {
    this.try(() => this.search.findNext(this.input.value, { ...this.options, incremental }));
  }

  private previous(): void {
    this.try(() => this.search.findPrevious(this.input.value, this.options));
  }

  /** A regular expression that is not finished yet is no error worth a word. */
  private try(find: () => boolean): void {
    try {
      if (this.input.value === '') this.search.clearDecorations();
      find();
    } catch {
      this.count.textContent = t('term.find.bad');
    }
  }

  private show(index: number, count: number): void {
    if (this.input.value === '') this.count.textContent = '';
    else if (count === 0) this.count.textContent = t('term.find.none');
    else this.count.textContent = t('term.find.count', { index: index < 0 ? '?' : index + 1, count });
    if (this.root.contains(document.activeElement)) announce(this.count.textContent ?? '');
  }
}

function button(name: Parameters<typeof icon>[0], label: string, click: () => void, turn = ''): HTMLElement {
  return h('button', { type: 'button', class: `button quiet icon-only ${turn}`.trim(), 'aria-label': label, title: label, on: { click } }, icon(name));
}
