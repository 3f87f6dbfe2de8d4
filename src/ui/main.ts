// The page: asks the box what it is and who is there, and shows the one screen that follows.

import { ApiError, api } from './base/api';
import { closeDialogs } from './base/dialog';
import { signedInOn } from './base/device';
import { clear, h, icon } from './base/dom';
import { loadSettings, lookBeforeSignIn } from './base/settings';
import { t } from './base/text';
import type { State } from './base/types';
import { readLink, showNotices, showStage, showTokenPage } from './people/index';
import { failingCard } from './start/common';
import { type Locked, forgetRestored, restoredWord, showClaim, showSignIn } from './start/index';
import { Work } from './work/index';
import { keepWish, lockWish, showLocking } from './work/lock';

const root = document.getElementById('root') ?? document.body.appendChild(h('div', { id: 'root' }));
let work: Work | null = null;
let lastBoot = '';
let restarted = false;
let ended: string | null = null;
let locked: Locked | null = null;

/** Nothing is left of the page of before, and nothing that it asked is answered to this one. */
function leave(): void {
  api.newPage();
  work?.destroy();
  work = null;
}

/** Called again before it has ended, by a link opened in this tab or several terminals that hear of a sign-out, only the last shows. */
async function boot(): Promise<void> {
  leave();
  try {
    const state = await api.get<State>('/api/state');
    if (!state.claimed) return showClaim(root, state, () => void boot());
    // Every terminal of the page may hear that nobody is signed in any more: the word stays until somebody is.
    restarted = !state.user && (restarted || (lastBoot !== '' && lastBoot !== state.boot));
    // The box says it once.
    ended = state.user ? null : (state.ended ?? ended);
    if (state.user || restarted) locked = null;
    else if (lockWish() !== null) locked = { name: lockWish() ?? '', sure: false };
    if (!state.user) keepWish(null);
    lastBoot = state.boot;
    signedInOn(state.device, state.user?.name ?? '');
    const link = readLink(location.hash);
    if (link) return showTokenPage(root, state, link, () => void boot());
    if (!state.user) {
      showSignIn(root, state, () => void boot(), locked);
      const restored = restoredWord();
      if (restored !== null) say(restored, 'status');
      else if (restarted) say(t('work.restarted'), 'alert');
      else if (ended !== null && !locked) say(t(`start.ended.${ended}`), 'alert');
      return;
    }
    forgetRestored();
    if ((state.stage ?? 'full') !== 'full') return showStage(root, state, () => void boot());
    if (lockWish() !== null) return lockNow(state.user.name);
    await loadSettings(state.user.id);
    work = new Work(root, state, state.user, () => void boot(), lockNow);
    await work.open();
    void showNotices();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    leave();
    clear(root);
    root.append(h('main', {}, failingCard(error, () => void boot())));
  }
}

/** Nothing is shown any more, whether or not the box is reached. */
function lockNow(name: string): void {
  leave();
  closeDialogs();
  showLocking(root, name, (outcome) => {
    locked = outcome === 'kept' ? null : { name, sure: outcome === 'locked' };
    void boot();
  });
}

/** Plainly, instead of pretending: what ran on the box is gone, or the box is another one. */
function say(word: string, role: 'alert' | 'status'): void {
  const urgent = role === 'alert';
  root.querySelector('form')?.before(h('div', { class: urgent ? 'alert warn' : 'alert', role }, icon(urgent ? 'warn' : 'check'), h('p', {}, word)));
}

lookBeforeSignIn();
api.whenSignedOut(() => {
  closeDialogs();
  void boot();
});
window.addEventListener('hashchange', () => readLink(location.hash) && void boot());
void boot();

// Only the page itself is kept for when the box is away (T8); under a certificate that the browser does not know, it keeps nothing.
navigator.serviceWorker?.register('sw.js').catch(() => undefined);
