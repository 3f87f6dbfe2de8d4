// Actions with the keys that this user has given them. Rebindable; `?` shows them.

import { settings } from '../base/settings';
import { type ActionId, type Keys, keysFor, match } from './chords';

export { ACTIONS, type ActionId, chord, stolenKey, tabNumber } from './chords';

export function keysOf(id: ActionId): string {
  return keysFor(id, settings.keys);
}

export function actionFor(event: Keys): ActionId | null {
  return match(event, settings.keys);
}
