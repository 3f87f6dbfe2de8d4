// What the box says, in another language: its English sentences are looked up, with whatever it puts into them. Pure.

type Table = Readonly<Record<string, string>>;

/** The sentence itself if the table has none for it. What the box puts in is looked up too: it may be a part of a sentence. */
export function translated(sentence: string, table: Table): string {
  const whole = own(table, sentence);
  if (whole !== undefined) return whole;
  for (const { pattern, target } of patterns(table)) {
    const parts = pattern.exec(sentence)?.slice(1);
    if (parts) return target.replace(/\{\}/g, () => translated(parts.shift() ?? '', table));
  }
  return sentence;
}

function own(table: Table, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

interface Pattern {
  pattern: RegExp;
  target: string;
}

const made = new WeakMap<Table, Pattern[]>();

/** The one that says most comes first: "X: {}" before "X{}". */
function patterns(table: Table): Pattern[] {
  const known = made.get(table);
  if (known) return known;
  const open = Object.keys(table).filter((source) => source.includes('{}')).sort((a, b) => b.length - a.length);
  const all = open.map((source) => ({ pattern: new RegExp(`^${source.split('{}').map(literally).join('(.+?)')}$`, 's'), target: table[source] ?? source }));
  made.set(table, all);
  return all;
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
