// Actions with the keys that this user has given them. Rebindable; `?` shows them.

import { settings } from '../base/settings';
import { t } from '../base/text';
import { type ActionId, type Keys, keysFor, match } from './chords';

export { ACTIONS, type ActionId, chord, stolenKey, tabNumber } from './chords';

export function keysOf(id: ActionId): string {
  return shownKeys(keysFor(id, settings.keys));
}

const ARROWS: Record<string, string> = { ArrowLeft: '←', ArrowUp: '↑', ArrowRight: '→', ArrowDown: '↓' };

/** As they stand on the keyboard of whoever reads it. */
export function shownKeys(keys: string): string {
  return keys.replace(/Arrow[A-Z]\w+/, (arrow) => ARROWS[arrow] ?? arrow).replace('Ctrl', t('key.ctrl')).replace('Shift', t('key.shift'));
}

export function actionFor(event: Keys): ActionId | null {
  return match(event, settings.keys);
}
