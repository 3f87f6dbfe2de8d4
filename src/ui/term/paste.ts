// What becomes of pasted text. Pure.

const BEGIN = '\x1b[200~';
export const PASTE_END = '\x1b[201~';

/** What could begin the sequence that ends a bracketed paste. Taking out only the whole one would let two halves become one. */
const ESCAPES = /[\x1b\x9b]/g;

/** Return is what a keyboard sends. Inside a bracketed paste, nothing may pretend to be its end. */
export function prepared(text: string, bracketed: boolean): string {
  const lines = text.replace(/\r?\n/g, '\r');
  return bracketed ? `${BEGIN}${lines.replace(ESCAPES, '')}${PASTE_END}` : lines;
}

/** A line end that a shell without bracketed paste would run at once, or so much that it was surely a mistake. */
export function asksFirst(text: string, bracketed: boolean, wanted: boolean): boolean {
  const lines = text.replace(/[\r\n]+$/, '').split(/\r\n|\r|\n/).length;
  return wanted && (lines > 1 || (!bracketed && /[\r\n]/.test(text)) || text.length > 5000);
}

export function counts(text: string): { lines: number; characters: number } {
  return { lines: text.replace(/[\r\n]+$/, '').split(/\r\n|\r|\n/).length, characters: [...text].length };
}

/** The first lines, with what cannot be seen made visible. */
export function preview(text: string, most = 12): string {
  const lines = text.split(/\r\n|\r|\n/);
  const shown = lines.slice(0, most).map((line) => line.slice(0, 300).replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`));
  return lines.length > most ? [...shown, '…'].join('\n') : shown.join('\n');
}
