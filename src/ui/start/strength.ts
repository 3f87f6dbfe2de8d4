// A hint, not a judge: the box refuses what is too short or too common, this only helps to choose. No DOM here.

export type Strength = 0 | 1 | 2 | 3 | 4;

export interface Judged {
  strength: Strength;
  /** A key of the text catalogue that says what would help; empty when nothing needs saying. */
  advice: string;
}

const ROWS = ['abcdefghijklmnopqrstuvwxyz', 'qwertyuiop', 'qwertzuiop', 'asdfghjkl', 'zxcvbnm', 'yxcvbnm', '01234567890'];
const COMMON = ['password', 'passwort', 'letmein', 'welcome', 'admin', 'iloveyou', 'dragon', 'monkey', 'secret', 'footbridge', 'login', 'master'];

/** Byte length, as the box counts it. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

export function judge(password: string, name: string, min: number): Judged {
  if (byteLength(password) < min) return { strength: password === '' ? 0 : 1, advice: 'start.strength.short' };
  const lower = password.toLowerCase();
  if (name !== '' && lower.replace(/[^a-z0-9]/g, '').replaceAll(name.toLowerCase(), '').length < 6) {
    return { strength: 1, advice: 'start.strength.name' };
  }
  const bits = guessBits(password, name);
  if (bits < 36) return { strength: 1, advice: 'start.strength.common' };
  if (bits < 48) return { strength: 2, advice: 'start.strength.longer' };
  if (bits < 68) return { strength: 3, advice: '' };
  return { strength: 4, advice: '' };
}

/** A rough count of bits: what can be foretold from its neighbour counts little. */
export function guessBits(password: string, name = ''): number {
  let rest = password.toLowerCase();
  let bits = 0;
  for (const word of name === '' ? COMMON : [...COMMON, name.toLowerCase()]) {
    while (rest.includes(word)) {
      rest = rest.replace(word, '\u0000');
      bits += 4;
    }
  }
  const alphabet = alphabetBits(password);
  const characters = Array.from(rest);
  const seen = new Set<string>();
  characters.forEach((character, at) => {
    if (character === '\u0000') return;
    const foretold = at > 0 && follows(characters[at - 1] ?? '', character);
    const novel = seen.has(character) ? alphabet * 0.7 : alphabet;
    bits += foretold ? 0.5 : novel * 0.75;
    seen.add(character);
  });
  return bits;
}

function alphabetBits(password: string): number {
  let size = 0;
  if (/[a-z]/.test(password)) size += 26;
  if (/[A-Z]/.test(password)) size += 26;
  if (/[0-9]/.test(password)) size += 10;
  if (/[^a-zA-Z0-9]/.test(password)) size += 24;
  return Math.log2(Math.max(size, 2));
}

function follows(before: string, now: string): boolean {
  if (before === now) return true;
  const pair = before + now;
  const back = now + before;
  return ROWS.some((row) => row.includes(pair) || row.includes(back));
}
