// Typing has the right of way: while somebody types, a flood in a pane that they do not type in is drawn once a second. A screen of
// it costs the browser longer than a key takes to the host and back. Little output is drawn at once, wherever it is. Nothing is lost
// and nothing piles up: the box sends no more than 256 KiB beyond what was drawn.

/** So long after a key somebody is still typing. */
const TYPING_MS = 1000;
/** A pane that prints more than this in `EVERY_MS` is a flood: some screens of text. */
const PIECE_BYTES = 8192;
const EVERY_MS = 1000;

let keyAt = -Infinity;

/** A key was pressed somewhere on the page. */
export function keyPressed(now: number): void {
  keyAt = now;
}

export class Pace {
  private waiting: Uint8Array[] = [];
  private timer = 0;
  private typedAt = -Infinity;
  /** Since when `printed` is counted. */
  private since = -Infinity;
  private printed = 0;

  constructor(
    private readonly print: (bytes: Uint8Array) => void,
    private readonly clock = (): number => performance.now(),
  ) {}

  /** This pane is typed in, alone or with others: its echo is what is awaited. */
  typed(): void {
    this.typedAt = this.clock();
    this.flush();
  }

  push(bytes: Uint8Array): void {
    this.waiting.push(bytes);
    if (this.timer === 0) this.next();
  }

  /** All of it, at once. */
  flush(): void {
    globalThis.clearTimeout(this.timer);
    this.timer = 0;
    for (const bytes of this.waiting.splice(0)) this.print(bytes);
  }

  private next(): void {
    const now = this.clock();
    this.timer = 0;
    if (now - keyAt >= TYPING_MS || now - this.typedAt < TYPING_MS) return this.flush();
    if (now - this.since >= EVERY_MS) {
      this.since = now;
      this.printed = 0;
    }
    while (this.waiting.length > 0 && this.printed < PIECE_BYTES) this.printSome(PIECE_BYTES - this.printed);
    if (this.waiting.length > 0) this.timer = globalThis.setTimeout(() => this.next(), this.since + EVERY_MS - now) as unknown as number;
  }

  private printSome(most: number): void {
    const first = this.waiting.shift() ?? new Uint8Array();
    if (first.length > most) this.waiting.unshift(first.subarray(most));
    const some = first.subarray(0, most);
    this.printed += some.length;
    this.print(some);
  }
}
