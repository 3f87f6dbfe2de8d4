// What this tab remembers over a reload. A browser may forbid it: then nothing is remembered.

export function recallInTab(name: string): string | null {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Null: forgotten. */
export function keepInTab(name: string, value: string | null): void {
  try {
    if (value === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, value);
  } catch {
    // What depends on it lasts as long as the page.
  }
}
