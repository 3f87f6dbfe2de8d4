// A long known_hosts file goes to the box in pieces that fit one request. No DOM here.

export interface Piece {
  text: string;
  /** How many lines stand before this piece, so that the box's line numbers can be told as the file's. */
  before: number;
}

/** Cuts at line ends, at most `most` bytes of JSON text each; a longer line stays whole and is the box's to refuse. */
export function pieces(text: string, most: number): Piece[] {
  const found: Piece[] = [];
  let lines: string[] = [];
  let bytes = 0;
  let before = 0;
  const flush = (): void => {
    if (lines.length > 0) found.push({ text: lines.join('\n'), before });
    before += lines.length;
    lines = [];
    bytes = 0;
  };
  for (const line of text.split(/\r\n|\r|\n/)) {
    const size = new TextEncoder().encode(JSON.stringify(line)).length;
    if (bytes + size > most) flush();
    lines.push(line);
    bytes += size;
  }
  flush();
  return found;
}

/** `SHA256:` and 43 characters, or the line of `ssh-keygen -lf` around it; null when there is none. */
export function findFingerprint(text: string): string | null {
  return /SHA256:[A-Za-z0-9+/]{43}(?==?(?:\s|$))/.exec(text)?.[0] ?? null;
}
