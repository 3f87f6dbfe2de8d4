// Everything the page can be told to do, with the keys for it, and what a key event means. Pure.

export interface ActionInfo {
  id: string;
  /** Like `Ctrl+Shift+P`; empty: none. On a Mac, Cmd does what Ctrl+Shift does here. */
  keys: string;
}

export const ACTIONS = [
  { id: 'palette', keys: 'Ctrl+Shift+P' },
  { id: 'home', keys: 'Ctrl+Shift+H' },
  { id: 'copy', keys: 'Ctrl+Shift+C' },
  { id: 'paste', keys: 'Ctrl+Shift+V' },
  { id: 'find', keys: 'Ctrl+Shift+F' },
  { id: 'split-row', keys: 'Ctrl+Shift+E' },
  { id: 'split-column', keys: 'Ctrl+Shift+D' },
  { id: 'close-pane', keys: 'Ctrl+Shift+X' },
  { id: 'end-terminal', keys: '' },
  { id: 'next-pane', keys: 'Ctrl+Shift+ArrowRight' },
  { id: 'previous-pane', keys: 'Ctrl+Shift+ArrowLeft' },
  { id: 'next-tab', keys: 'Alt+Shift+ArrowRight' },
  { id: 'previous-tab', keys: 'Alt+Shift+ArrowLeft' },
  { id: 'tab-right', keys: 'Alt+Shift+ArrowDown' },
  { id: 'tab-left', keys: 'Alt+Shift+ArrowUp' },
  { id: 'broadcast', keys: 'Ctrl+Shift+B' },
  { id: 'larger', keys: 'Ctrl+=' },
  { id: 'smaller', keys: 'Ctrl+-' },
  { id: 'usual-size', keys: 'Ctrl+0' },
  { id: 'clear', keys: 'Ctrl+Shift+K' },
  { id: 'settings', keys: 'Ctrl+,' },
  { id: 'help', keys: 'Ctrl+Shift+?' },
  { id: 'keys', keys: '' },
  { id: 'host-keys', keys: '' },
  { id: 'account', keys: '' },
  { id: 'users', keys: '' },
  { id: 'audit', keys: '' },
  { id: 'lock', keys: 'Ctrl+Shift+L' },
  { id: 'sign-out', keys: '' },
] as const satisfies readonly ActionInfo[];

export type ActionId = (typeof ACTIONS)[number]['id'];

/** Keys that browsers keep for themselves, by a way that they leave alone (T2). */
const STOLEN: Record<string, string> = { w: '\x17', t: '\x14', n: '\x0e', q: '\x11' };

export interface Keys {
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
  metaKey: boolean;
}

/** `Ctrl+Shift+P` for a key event; null while only modifiers are down. */
export function chord(event: Keys): string | null {
  if (['Control', 'Shift', 'Alt', 'Meta', 'AltGraph', 'Dead', 'Process', 'Unidentified'].includes(event.key)) return null;
  const name = event.key === ' ' ? 'Space' : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const parts = [event.ctrlKey && 'Ctrl', event.altKey && 'Alt', event.shiftKey && 'Shift', event.metaKey && 'Cmd', name];
  return parts.filter((part) => part !== false).join('+');
}

/** `own`: what the user has changed. */
export type OwnKeys = Record<string, string>;

export function keysFor(id: ActionId, own: OwnKeys): string {
  return own[id] ?? ACTIONS.find((action) => action.id === id)?.keys ?? '';
}

export function match(event: Keys, own: OwnKeys): ActionId | null {
  const pressed = chord(event);
  if (pressed === null) return null;
  // Cmd+L leads to the browser's address bar: whoever goes there has not asked for a lock. Cmd+Shift+L has.
  const asMac = event.metaKey && !event.ctrlKey && pressed !== 'Cmd+L' ? pressed.replace(/^((?:Alt\+)?)(?:Shift\+)?Cmd\+/, 'Ctrl+$1Shift+') : null;
  return ACTIONS.find(({ id }) => keysFor(id, own) !== '' && [pressed, asMac].includes(keysFor(id, own)))?.id ?? null;
}

export function stolenKey(event: Keys): string | null {
  return event.ctrlKey && event.altKey && !event.shiftKey && !event.metaKey ? (STOLEN[event.key.toLowerCase()] ?? null) : null;
}

/** Alt+1 to Alt+9: the tab of that number, counted from nought. */
export function tabNumber(event: Keys): number | null {
  return event.altKey && !event.ctrlKey && !event.shiftKey && !event.metaKey && /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : null;
}
