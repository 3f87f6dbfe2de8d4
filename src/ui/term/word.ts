// Which cells a finger means that is held on one. A path, an address or an option is one word: it is what people copy.

/** Brackets, quotes, and what stands between words in prompts and tables. Nothing: an empty cell. */
const BETWEEN = new Set(['', ' ', '\t', '(', ')', '[', ']', '{', '}', '<', '>', '"', "'", '`', ',', ';', '|', '│', '┃']);

/** The word around a cell; the cell alone if it holds none. `read` answers null beyond the line. */
export function wordAround(at: number, read: (cell: number) => string | null): { from: number; to: number } {
  const inside = (cell: number): boolean => {
    const text = read(cell);
    return text !== null && !BETWEEN.has(text);
  };
  let [from, to] = [at, at + 1];
  if (!inside(at)) return { from, to };
  while (inside(from - 1)) from -= 1;
  while (inside(to)) to += 1;
  return { from, to };
}
