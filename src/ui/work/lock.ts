// "Lock now". The page takes off what it shows at once, and says that the vault is locked only when the box has said so.

import { ApiError, api } from '../base/api';
import { clear, h, icon } from '../base/dom';
import { keepInTab, recallInTab } from '../base/tab';
import { t } from '../base/text';
import { entryFrame } from '../start/entry';

const AGAIN_MS = 3000;
/** A page that is loaded anew, by whoever sits there now, goes on asking. */
const WISH = 'footbridge.lock';

export type Outcome = 'locked' | 'unsure' | 'kept';

/** Whose lock was asked for in this tab and not answered by the box; null: nobody's. */
export function lockWish(): string | null {
  return recallInTab(WISH);
}

export function keepWish(name: string | null): void {
  keepInTab(WISH, name);
}

export function showLocking(place: HTMLElement, name: string, done: (outcome: Outcome) => void): void {
  let timer = 0;
  let over = false;
  const title = h('strong', {}, t('lock.title'));
  const text = h('p', {}, t('lock.trying'));
  // It has the focus: an Enter that was meant for a terminal must not give the lock up.
  const word = h('div', { class: 'alert', role: 'alert', tabindex: '-1' }, icon('lock'), h('div', {}, title, text));
  const now = h('button', { type: 'button', class: 'button primary wide', on: { click: () => void ask() } }, t('lock.now')) as HTMLButtonElement;
  const back = h('button', { type: 'button', class: 'button wide', on: { click: () => finish('kept') } }, t('lock.back'));
  const form = h('div', { class: 'entry-form' }, word, now, back);
  const online = (): void => void ask();
  clear(place);
  place.append(entryFrame({ title: t('action.lock'), lead: location.host, form, notes: [] }));
  window.addEventListener('online', online);
  document.title = 'Footbridge';
  keepWish(name);
  word.focus();
  void ask();

  function finish(outcome: Outcome): void {
    if (over) return;
    over = true;
    window.clearTimeout(timer);
    window.removeEventListener('online', online);
    keepWish(null);
    done(outcome);
  }

  async function ask(): Promise<void> {
    // Another page may be there by now: a sign-in that has ended, or a link that was opened.
    if (over || now.disabled || !form.isConnected) return;
    window.clearTimeout(timer);
    now.disabled = true;
    try {
      await api.post('/api/lock', {});
      finish('locked');
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // This sign-in has ended: by an earlier try whose answer was lost, or by something else.
      if (error.code === 'not_signed_in') return finish('unsure');
      say(error);
      timer = window.setTimeout(() => void ask(), AGAIN_MS);
    } finally {
      now.disabled = false;
    }
  }

  /** Said once, and not with every try. */
  function say(error: ApiError): void {
    const told = t('lock.failed.text', { why: error.message });
    if (text.textContent === told) return;
    word.classList.add('warn');
    word.firstElementChild?.replaceWith(icon('warn'));
    title.textContent = t('lock.failed');
    text.textContent = told;
  }
}
