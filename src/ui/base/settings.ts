// What the page remembers for its user, on any device: kept by the box as preferences, which it does not read.

import { api } from './api';
import { mark, unheard, written } from './kept';
import { keepInTab, recallInTab } from './tab';
import { useLanguage } from './text';

export interface Settings {
  theme: 'system' | 'dark' | 'light' | 'contrast';
  language: '' | 'en' | 'de';
  termTheme: string;
  fontSize: number;
  lineHeight: number;
  cursorStyle: 'block' | 'bar' | 'underline';
  cursorBlink: boolean;
  bell: 'none' | 'visual' | 'sound';
  scrollback: number;
  copyOnSelect: boolean;
  pasteWarn: boolean;
  rightClick: 'menu' | 'paste' | 'copy-or-paste';
  screenReader: boolean;
  /** Key bindings that differ from the defaults, by action (work/chords.ts). */
  keys: Record<string, string>;
  /** Further keys of the phone's key bar. */
  extraKeys: string[];
}

export const DEFAULTS: Settings = {
  theme: 'system', language: '', termTheme: 'match', fontSize: 14, lineHeight: 1.15, cursorStyle: 'block', cursorBlink: true, bell: 'visual',
  scrollback: 5000, copyOnSelect: false, pasteWarn: true, rightClick: 'copy-or-paste', screenReader: false, keys: {}, extraKeys: ['|', '/', '~', '-'],
};

export const settings: Settings = { ...DEFAULTS };

/** A drag of a slider or a divider is many changes and one write: kind to the SD card. */
const SAVE_AFTER_MS = 1500;
const BEFORE_SIGN_IN = 'footbridge-look';
/** The last change, at once: a page that is loaded anew may ask before the box has taken what the old page sent at its end. */
const LAST_CHANGE = 'footbridge.changed';

type Listener = (settings: Settings) => void;

const listeners = new Set<Listener>();
let kept: Record<string, unknown> = {};
let whose = '';
let timer = 0;

export function onSettings(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Theme and language that this browser used last, for the pages before the sign-in. */
export function lookBeforeSignIn(): void {
  try {
    take(JSON.parse(localStorage.getItem(BEFORE_SIGN_IN) ?? '{}'));
  } catch {
    take({});
  }
  show();
}

/** `user`: the id of who is signed in. */
export async function loadSettings(user: string): Promise<void> {
  whose = user;
  kept = (await api.get<{ preferences: Record<string, unknown> }>('/api/preferences')).preferences;
  const newer = unheard(kept, recallInTab(LAST_CHANGE), user);
  if (newer) {
    kept = newer;
    saveLater();
  }
  take(kept['settings']);
  show();
}

export function change(some: Partial<Settings>): void {
  Object.assign(settings, some);
  show();
  keep('settings', settings);
}

/** Another part of what is kept (`layout`); it is read back with `recall`. */
export function keep(name: string, value: unknown): void {
  kept[name] = value;
  mark(kept, Date.now());
  keepInTab(LAST_CHANGE, written(kept, whose));
  saveLater();
}

function saveLater(): void {
  window.clearTimeout(timer);
  timer = window.setTimeout(() => void save(), SAVE_AFTER_MS);
}

export function recall(name: string): unknown {
  return kept[name];
}

/** Waiting changes are written when the page is left, and may be by hand. A box that cannot be reached hears of them at the next change. */
export async function save(): Promise<void> {
  if (timer === 0) return;
  window.clearTimeout(timer);
  timer = 0;
  try {
    await api.put('/api/preferences', { preferences: kept });
    if (timer === 0) keepInTab(LAST_CHANGE, null);
  } catch {
    // The next change writes all of it.
  }
}

/** Only what is of the right kind is taken: an older or a newer page may have written it. */
function take(value: unknown): void {
  Object.assign(settings, DEFAULTS);
  if (typeof value !== 'object' || value === null) return;
  for (const [name, one] of Object.entries(value)) {
    const fallback = (DEFAULTS as unknown as Record<string, unknown>)[name];
    if (fallback !== undefined && typeof one === typeof fallback && Array.isArray(one) === Array.isArray(fallback)) Object.assign(settings, { [name]: one });
  }
}

function show(): void {
  document.documentElement.dataset['theme'] = settings.theme;
  useLanguage(settings.language);
  try {
    localStorage.setItem(BEFORE_SIGN_IN, JSON.stringify({ theme: settings.theme, language: settings.language }));
  } catch {
    // A browser that keeps nothing shows the defaults before the sign-in.
  }
  for (const listener of listeners) listener(settings);
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) void save();
});
