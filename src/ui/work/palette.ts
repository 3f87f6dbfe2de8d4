// The command palette: every action, host and running terminal, found by a few letters.

import { openDialog } from '../base/dialog';
import { h, icon } from '../base/dom';
import { t } from '../base/text';

export interface Entry {
  id: string;
  label: string;
  detail?: string;
  icon: Parameters<typeof icon>[0];
  run: () => void;
}

/** Each word somewhere in the text; earlier and at a word's beginning is better. Lower is better; null: not found. */
export function score(text: string, query: string): number | null {
  const lower = text.toLowerCase();
  let sum = 0;
  for (const word of query.toLowerCase().split(/\s+/).filter((one) => one !== '')) {
    const at = lower.indexOf(word);
    if (at < 0) return null;
    sum += at + (at === 0 || /\W/.test(lower[at - 1] ?? '') ? 0 : 20);
  }
  return sum;
}

const MOST = 60;

/** `later`: all of them, when the box has answered. What is typed, and what was chosen, stays. */
export async function openPalette(entries: Entry[], later: Promise<Entry[]>): Promise<void> {
  let found = entries;
  let chosen = 0;
  let coming = true;
  /** Enter was pressed on what has not come yet. */
  let entered = false;
  let picked: Entry | null = null;
  const list = h('ul', { class: 'palette-list', role: 'listbox', id: 'palette-list', 'aria-label': t('palette.title') });
  const none = h('p', { class: 'hint palette-none', role: 'status' });
  const input = h('input', { type: 'search', role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'palette-list', 'aria-autocomplete': 'list', 'aria-label': t('palette.title'), placeholder: t('palette.hint'), autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false' }) as HTMLInputElement;
  const pick = (entry: Entry | undefined): void => {
    picked = entry ?? null;
    input.closest('dialog')?.dispatchEvent(new Event('cancel', { cancelable: true }));
  };
  const draw = (): void => {
    list.replaceChildren(...found.map((entry, at) => h('li', { role: 'option', id: `palette-${at}`, 'aria-selected': String(at === chosen), class: 'palette-row', on: { click: () => pick(entry) } }, icon(entry.icon), h('span', { class: 'palette-label' }, entry.label), entry.detail ? h('span', { class: 'hint' }, entry.detail) : null)));
    list.hidden = found.length === 0;
    none.textContent = found.length === 0 && !coming ? t('palette.none') : '';
    input.setAttribute('aria-expanded', String(found.length > 0));
    if (found.length > 0) input.setAttribute('aria-activedescendant', `palette-${chosen}`);
    else input.removeAttribute('aria-activedescendant');
    list.children[chosen]?.scrollIntoView({ block: 'nearest' });
  };
  const search = (): void => {
    const scored = entries.map((entry) => ({ entry, points: score(`${entry.label} ${entry.detail ?? ''}`, input.value) }));
    found = scored.filter((one) => one.points !== null).sort((a, b) => (a.points ?? 0) - (b.points ?? 0)).slice(0, MOST).map((one) => one.entry);
    chosen = 0;
    entered = false;
  };
  const come = (all: Entry[]): void => {
    const [before, moved] = [found[chosen], input.value !== '' || chosen > 0];
    const wanted = entered;
    [entries, coming] = [all, false];
    search();
    if (moved) chosen = Math.max(0, found.findIndex(({ id }) => id === before?.id));
    draw();
    if (wanted && found.length > 0) pick(found[0]);
  };
  input.addEventListener('input', () => {
    search();
    draw();
  });
  input.addEventListener('keydown', (event) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0 && found.length > 0) {
      event.preventDefault();
      chosen = (chosen + step + found.length) % found.length;
      draw();
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (found.length > 0 || !coming) pick(found[chosen]);
      else entered = true;
    } else if (event.key === 'Escape') {
      // A search field would only empty itself.
      event.preventDefault();
      pick(undefined);
    }
  });
  search();
  draw();
  const closed = openDialog({ title: t('palette.title'), body: h('div', { class: 'palette' }, input, list, none), actions: [] });
  void later.then((all) => input.isConnected && come(all));
  await closed;
  (picked as Entry | null)?.run();
}
