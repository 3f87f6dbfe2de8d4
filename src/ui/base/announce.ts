// What is said to those who listen, and shown in passing to those who look.

import { h, icon } from './dom';

const SHOWN_MS = 5000;

const polite = h('div', { class: 'visually-hidden', role: 'status', 'aria-live': 'polite' });
const urgently = h('div', { class: 'visually-hidden', role: 'alert', 'aria-live': 'assertive' });
const toasts = h('div', { class: 'toasts', popover: 'manual' });

/** A live region must be in the page before its text changes, and inside an open dialog when there is one. */
function ready(): void {
  const dialogs = document.querySelectorAll('dialog[open]');
  const home = dialogs[dialogs.length - 1] ?? document.body;
  if (polite.parentElement !== home) home.append(polite, urgently);
}

export function announce(text: string, urgent = false): void {
  ready();
  const region = urgent ? urgently : polite;
  region.textContent = '';
  window.setTimeout(() => (region.textContent = text), 60);
}

export type ToastKind = 'ok' | 'warn' | 'danger';

export function toast(text: string, kind: ToastKind = 'ok'): void {
  const one = h('div', { class: `toast ${kind}` }, icon(kind === 'ok' ? 'check' : 'warn'), h('span', {}, text));
  if (!toasts.isConnected) document.body.append(toasts);
  toasts.append(one);
  // Shown again each time, so that it lies above a dialog that was opened later.
  if (toasts.matches(':popover-open')) toasts.hidePopover();
  toasts.showPopover();
  announce(text, kind === 'danger');
  window.setTimeout(() => {
    one.remove();
    if (toasts.childElementCount === 0 && toasts.matches(':popover-open')) toasts.hidePopover();
  }, SHOWN_MS);
}
