// The box answers when it answers, and meanwhile the person may have gone elsewhere. What an answer may still do then (docs/UI.md, Late answers).

/** What is asked again and again: only the answer to the last question counts, and only while whoever asked is shown. */
export class Question {
  private asked = 0;

  constructor(private readonly shown: () => boolean = () => true) {}

  /** Call it when the box is asked; what it gives says, when the answer is there, whether that counts. */
  ask(): () => boolean {
    const mine = ++this.asked;
    return () => mine === this.asked && this.shown();
  }
}

type Page = Pick<Document, 'activeElement' | 'body' | 'addEventListener' | 'removeEventListener'>;

/** Whether nobody has pressed a key or moved the focus since. A focus that fell on the page, because what had it is gone, was moved by nobody. */
export function untouched(page: Page = document): () => boolean {
  const at = page.activeElement;
  let pressed = false;
  const press = (event: KeyboardEvent): void => {
    // A key that is held down since before says nothing new.
    if (event.repeat) return;
    pressed = true;
    page.removeEventListener('keydown', press, true);
  };
  page.addEventListener('keydown', press, true);
  return () => !pressed && (fallen(page) || page.activeElement === at);
}

function fallen(page: Pick<Page, 'activeElement' | 'body'>): boolean {
  return page.activeElement === null || page.activeElement === page.body;
}

/** To what had the focus, or to what was drawn anew in its place (`data-focus`), else to `rest`; where a person has put it meanwhile it stays. */
export function leadBack(to: Element | null, rest?: HTMLElement, within: ParentNode = document): void {
  if (!fallen(document) || !(to instanceof HTMLElement) || to === document.body) return;
  const anew = to.isConnected ? to : within.querySelector<HTMLElement>(`[data-focus="${CSS.escape(to.dataset['focus'] ?? '')}"]`);
  (anew ?? rest)?.focus();
}

/** Draws anew what is in `root`: who was there is at the same thing again, or at what has come into its place, or at `rest`. */
export function redraw(root: HTMLElement, draw: () => void, rest?: HTMLElement): void {
  const stops = (): HTMLElement[] => [...root.querySelectorAll<HTMLElement>('[data-focus]')];
  const had = document.activeElement;
  const at = stops().findIndex((one) => one === had);
  const inside = root.contains(had);
  draw();
  if (!inside) return;
  const now = stops();
  leadBack(had, now[Math.min(at, now.length - 1)] ?? rest, root);
}
