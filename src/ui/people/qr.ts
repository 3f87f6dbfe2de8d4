// QR codes (ISO/IEC 18004): byte mode, level M, versions 1 to 10, which is enough for an otpauth address. Bytes in, cells out; no DOM here.

/** Level M of versions 1 to 10: correction bytes in each block, then how many blocks of how many data bytes; the last ones are one longer. */
const BLOCKS: readonly { correction: number; count: number; data: number; longer: number }[] = [
  { correction: 10, count: 1, data: 16, longer: 0 },
  { correction: 16, count: 1, data: 28, longer: 0 },
  { correction: 26, count: 1, data: 44, longer: 0 },
  { correction: 18, count: 2, data: 32, longer: 0 },
  { correction: 24, count: 2, data: 43, longer: 0 },
  { correction: 16, count: 4, data: 27, longer: 0 },
  { correction: 18, count: 4, data: 31, longer: 0 },
  { correction: 22, count: 4, data: 38, longer: 2 },
  { correction: 22, count: 5, data: 36, longer: 2 },
  { correction: 26, count: 5, data: 43, longer: 1 },
];

const ALIGNMENT: readonly number[][] = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

/** Level M as the format bits say it. */
const LEVEL = 0b00;
const BYTE_MODE = 0b0100;

type Cells = (boolean | null)[][];

/** Rows of cells, true for dark, without the quiet zone; null when the text is too long. `mask`: for tests; else the best is found. */
export function qrCode(text: string, mask?: number): boolean[][] | null {
  const bytes = new TextEncoder().encode(text);
  const version = BLOCKS.findIndex((_, at) => bytes.length + headBytes(at + 1) <= capacity(at + 1)) + 1;
  if (version === 0) return null;
  const bits = interleaved(dataBytes(bytes, version), version);
  const masks = mask === undefined ? [0, 1, 2, 3, 4, 5, 6, 7] : [mask];
  const drawn = masks.map((one) => draw(bits, version, one));
  return drawn.reduce((best, one) => (penalty(one) < penalty(best) ? one : best));
}

function capacity(version: number): number {
  const { count, data, longer } = blocksOf(version);
  return count * data + longer;
}

function blocksOf(version: number): (typeof BLOCKS)[number] {
  return BLOCKS[version - 1] ?? { correction: 0, count: 0, data: 0, longer: 0 };
}

/** Four bits of mode and 8 or 16 of length, in whole bytes. */
function headBytes(version: number): number {
  return version < 10 ? 2 : 3;
}

// ---- the bytes ----

function dataBytes(bytes: Uint8Array, version: number): number[] {
  const bits: number[] = [];
  const push = (value: number, count: number): void => {
    for (let at = count - 1; at >= 0; at--) bits.push((value >> at) & 1);
  };
  push(BYTE_MODE, 4);
  push(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) push(byte, 8);
  push(0, 4);
  const made: number[] = [];
  for (let at = 0; at + 8 <= bits.length; at += 8) made.push(bits.slice(at, at + 8).reduce((sum, bit) => sum * 2 + bit, 0));
  for (let pad = 0xec; made.length < capacity(version); pad ^= 0xec ^ 0x11) made.push(pad);
  return made;
}

/** Byte by byte from each block in turn, so that a blot hurts each of them a little. */
function interleaved(data: number[], version: number): number[] {
  const { correction, count, data: usual, longer } = blocksOf(version);
  const blocks: number[][] = [];
  for (let at = 0, from = 0; at < count; at++) {
    const size = usual + (at >= count - longer ? 1 : 0);
    blocks.push(data.slice(from, (from += size)));
  }
  const checks = blocks.map((block) => remainder(block, correction));
  const all: number[] = [];
  for (let at = 0; at <= usual; at++) for (const block of blocks) if (at < block.length) all.push(block[at] ?? 0);
  for (let at = 0; at < correction; at++) for (const check of checks) all.push(check[at] ?? 0);
  return all.flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => (byte >> bit) & 1));
}

/** In GF(256) with x^8 + x^4 + x^3 + x^2 + 1. */
function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}

/** Of Reed and Solomon: the rest of the block divided by the product of (x - 2^i). */
function remainder(block: number[], degree: number): number[] {
  const divisor = generator(degree);
  const rest = new Array<number>(degree).fill(0);
  for (const byte of block) {
    const factor = byte ^ (rest.shift() ?? 0);
    rest.push(0);
    divisor.forEach((coefficient, at) => (rest[at] = (rest[at] ?? 0) ^ times(coefficient, factor)));
  }
  return rest;
}

/** Its coefficients but the first, which is 1. */
function generator(degree: number): number[] {
  const made = new Array<number>(degree).fill(0);
  made[degree - 1] = 1;
  for (let step = 0, root = 1; step < degree; step++, root = times(root, 2)) {
    for (let at = 0; at < degree; at++) made[at] = times(made[at] ?? 0, root) ^ (made[at + 1] ?? 0);
  }
  return made;
}

// ---- the picture ----

const MASKS: readonly ((row: number, column: number) => boolean)[] = [
  (row, column) => (row + column) % 2 === 0,
  (row) => row % 2 === 0,
  (_, column) => column % 3 === 0,
  (row, column) => (row + column) % 3 === 0,
  (row, column) => (Math.floor(row / 2) + Math.floor(column / 3)) % 2 === 0,
  (row, column) => ((row * column) % 2) + ((row * column) % 3) === 0,
  (row, column) => (((row * column) % 2) + ((row * column) % 3)) % 2 === 0,
  (row, column) => (((row + column) % 2) + ((row * column) % 3)) % 2 === 0,
];

function draw(bits: number[], version: number, mask: number): boolean[][] {
  const size = 17 + version * 4;
  const cells: Cells = Array.from({ length: size }, () => new Array<boolean | null>(size).fill(null));
  const set = (row: number, column: number, dark: boolean): void => {
    const line = cells[row];
    if (line && column >= 0 && column < size) line[column] = dark;
  };
  for (const [row, column] of [[3, 3], [3, size - 4], [size - 4, 3]] as const) rings(set, row, column, 4);
  alignments(set, version, size);
  for (let at = 8; at < size - 8; at++) {
    set(6, at, at % 2 === 0);
    set(at, 6, at % 2 === 0);
  }
  formatBits(set, size, mask);
  if (version >= 7) versionBits(set, size, version);
  fill(cells, bits, MASKS[mask] ?? (() => false));
  return cells.map((line) => line.map((cell) => cell === true));
}

type Set = (row: number, column: number, dark: boolean) => void;

/** A finder with its white border (4), or an alignment pattern (2). */
function rings(set: Set, row: number, column: number, reach: number): void {
  for (let down = -reach; down <= reach; down++) {
    for (let right = -reach; right <= reach; right++) {
      const ring = Math.max(Math.abs(down), Math.abs(right));
      set(row + down, column + right, reach === 4 ? ring !== 2 && ring !== 4 : ring !== 1);
    }
  }
}

function alignments(set: Set, version: number, size: number): void {
  const places = ALIGNMENT[version - 1] ?? [];
  const last = size - 7;
  for (const row of places) {
    for (const column of places) {
      const finder = (row === 6 && column === 6) || (row === 6 && column === last) || (row === last && column === 6);
      if (!finder) rings(set, row, column, 2);
    }
  }
}

/** A code word of `value` with the remainder of a division in GF(2). */
function withRemainder(value: number, degree: number, divisor: number): number {
  let rest = value;
  for (let step = 0; step < degree; step++) rest = (rest << 1) ^ ((rest >> (degree - 1)) * divisor);
  return (value << degree) | rest;
}

function formatBits(set: Set, size: number, mask: number): void {
  const word = withRemainder((LEVEL << 3) | mask, 10, 0x537) ^ 0x5412;
  const dark = (at: number): boolean => ((word >> at) & 1) === 1;
  for (let at = 0; at < 15; at++) {
    // Around the first finder, stepping over the timing lines.
    set(at < 6 ? at : at < 8 ? at + 1 : 8, at < 8 ? 8 : at === 8 ? 7 : 14 - at, dark(at));
    // And again along the two others.
    if (at < 8) set(8, size - 1 - at, dark(at));
    else set(size - 15 + at, 8, dark(at));
  }
  set(size - 8, 8, true);
}

function versionBits(set: Set, size: number, version: number): void {
  const word = withRemainder(version, 12, 0x1f25);
  for (let at = 0; at < 18; at++) {
    const dark = ((word >> at) & 1) === 1;
    const [far, near] = [size - 11 + (at % 3), Math.floor(at / 3)];
    set(near, far, dark);
    set(far, near, dark);
  }
}

/** Two columns at a time from the right, up and down in turn, past everything that is drawn already. */
function fill(cells: Cells, bits: number[], masked: (row: number, column: number) => boolean): void {
  const size = cells.length;
  let next = 0;
  let up = true;
  for (let right = size - 1; right > 0; right -= 2, up = !up) {
    // Left of the timing line the pairs begin one further left.
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const row = up ? size - 1 - step : step;
      for (const column of [right, right - 1]) {
        const line = cells[row];
        if (line && line[column] === null) line[column] = (bits[next++] === 1) !== masked(row, column);
      }
    }
  }
}

// ---- which mask reads best ----

function penalty(cells: boolean[][]): number {
  const columns = cells.map((_, at) => cells.map((line) => line[at] === true));
  return lines(cells) + lines(columns) + squares(cells) + balance(cells);
}

/** Runs of five and more, and what looks like a finder. */
function lines(all: boolean[][]): number {
  return all.reduce((sum, line) => {
    const text = line.map((dark) => (dark ? '1' : '0')).join('');
    const runs = (text.match(/0{5,}|1{5,}/g) ?? []).reduce((points, run) => points + run.length - 2, 0);
    const finders = (text.match(/(?=00001011101|10111010000)/g) ?? []).length;
    return sum + runs + finders * 40;
  }, 0);
}

function squares(cells: boolean[][]): number {
  let points = 0;
  for (let row = 1; row < cells.length; row++) {
    for (let column = 1; column < cells.length; column++) {
      const dark = cells[row]?.[column];
      if (dark === cells[row - 1]?.[column] && dark === cells[row]?.[column - 1] && dark === cells[row - 1]?.[column - 1]) points += 3;
    }
  }
  return points;
}

function balance(cells: boolean[][]): number {
  const dark = cells.flat().filter(Boolean).length;
  return Math.floor(Math.abs((dark * 100) / cells.length ** 2 - 50) / 5) * 10;
}
