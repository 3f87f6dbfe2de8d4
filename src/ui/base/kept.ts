// Which of two is the newer: what the box kept, or what this tab kept of a change that the box may not have heard of. No DOM here.

export type Kept = Record<string, unknown>;

const CHANGED = 'changed';

function changed(kept: Kept): number {
  const at = kept[CHANGED];
  return typeof at === 'number' && Number.isFinite(at) ? at : 0;
}

/** Marks a change. A clock that is behind the one of another device must not make the later change the older one. */
export function mark(kept: Kept, now: number): void {
  kept[CHANGED] = Math.max(now, changed(kept) + 1);
}

/** As the tab keeps it: the next to sign in there may be somebody else. */
export function written(kept: Kept, user: string): string {
  return JSON.stringify({ user, kept });
}

/** What the tab has and the box has not; null: the box has all of it. */
export function unheard(ofBox: Kept, text: string | null, user: string): Kept | null {
  const ofTab = read(text);
  return ofTab?.user === user && changed(ofTab.kept) > changed(ofBox) ? ofTab.kept : null;
}

function read(text: string | null): { user: string; kept: Kept } | null {
  try {
    const value = JSON.parse(text ?? 'null') as { user?: unknown; kept?: unknown } | null;
    if (typeof value?.user !== 'string' || typeof value.kept !== 'object' || value.kept === null) return null;
    return { user: value.user, kept: value.kept as Kept };
  } catch {
    return null;
  }
}
