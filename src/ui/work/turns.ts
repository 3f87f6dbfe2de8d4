// Questions that lie over the whole page: one at a time, in the order of those who ask. No DOM here.

export class Turns<Asker> {
  private asking = false;
  private waiting: { asker: Asker; turn: (come: boolean) => void }[] = [];

  /** `order`: who is there, the first of them first. */
  constructor(private readonly order: () => readonly Asker[]) {}

  /** Asks when everybody before has been answered; `waited` says that something may have changed meanwhile. Null: the asker has gone. */
  async ask<T>(asker: Asker, question: (waited: boolean) => Promise<T>): Promise<T | null> {
    const waited = this.asking;
    if (waited && !(await new Promise<boolean>((turn) => this.waiting.push({ asker, turn })))) return null;
    this.asking = true;
    try {
      return await question(waited);
    } finally {
      this.next();
    }
  }

  /** Whoever is not there any more leaves the queue. Call it when somebody goes, so that nobody waits for an answer that concerns them no more. */
  sweep(): void {
    const there = this.order();
    for (const { turn } of this.waiting.filter(({ asker }) => !there.includes(asker))) turn(false);
    this.waiting = this.waiting.filter(({ asker }) => there.includes(asker));
  }

  private next(): void {
    this.sweep();
    const [first] = this.order().flatMap((asker) => this.waiting.find((one) => one.asker === asker) ?? []);
    this.waiting = this.waiting.filter((one) => one !== first);
    // Until that one is done it is still somebody's turn.
    this.asking = first !== undefined;
    first?.turn(true);
  }
}
