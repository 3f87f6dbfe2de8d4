// How long to wait before the next try. Pure.

const FIRST_MS = 400;
const MOST_MS = 15_000;

/** Doubles up to a quarter of a minute; the jitter keeps the pages of a household from coming back all at once. `dice` is 0 to 1. */
export function backoff(attempt: number, dice: number): number {
  const whole = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(whole / 2 + (whole / 2) * dice);
}
