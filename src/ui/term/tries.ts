// Whether a link is up, and whose turn it is to bring it back. Timers, events and people all ask for a try, sometimes at once. Pure.

/** Where a link stands. */
type Phase =
  /** The socket is gone, or was never there; a timer runs to the next try. */
  | 'waiting'
  /** A ticket is asked for, or a socket opens. */
  | 'trying'
  /** The box sends and hears. */
  | 'attached'
  /** Ended, by the page or by the box. */
  | 'over';

/** A try that is older hangs, perhaps in a network that is gone: whoever asks now gets one of their own. */
const STUCK_MS = 5000;

export class Tries {
  private phase: Phase = 'waiting';
  private number = 0;
  private begun = 0;

  /** By the clock on the wall, which goes on while a machine sleeps. */
  constructor(private readonly now: () => number = Date.now) {}

  get attached(): boolean {
    return this.phase === 'attached';
  }

  get over(): boolean {
    return this.phase === 'over';
  }

  /** The number of a new try, which takes the place of any other; null: the one that is under way serves whoever asks. */
  begin(): number | null {
    if (this.over || (this.phase === 'trying' && this.now() - this.begun < STUCK_MS)) return null;
    this.phase = 'trying';
    this.begun = this.now();
    return ++this.number;
  }

  /** False: a later try has taken its place, and nothing that this one still brings means anything. */
  counts(number: number): boolean {
    return number === this.number && !this.over;
  }

  succeeded(): void {
    if (!this.over) this.phase = 'attached';
  }

  failed(): void {
    if (!this.over) this.phase = 'waiting';
  }

  end(): void {
    this.phase = 'over';
  }
}
