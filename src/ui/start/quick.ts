// What a person types into the search box may be a place to go: `user@host:port`. No DOM here.

export interface Quick {
  user: string;
  address: string;
  port: number;
}

const ADDRESS = /^[A-Za-z0-9._:%][A-Za-z0-9._:%-]{0,252}$/;
const USER = /^[^\s\p{Cc}-][^\s\p{Cc}]{0,63}$/u;

/** The box's own rule for an address (docs/API.md): a name or an IP literal without brackets. */
export function goodAddress(text: string): boolean {
  return ADDRESS.test(text);
}

export function goodUser(text: string): boolean {
  return USER.test(text);
}

export function goodPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

/** Reads `[ssh] [-p PORT] user@host[:port]` or `ssh://user@host:port`; null when it is only a search. */
export function parseQuick(text: string): Quick | null {
  const command = /^ssh\s+/i.test(text.trim());
  const words = text.trim().replace(/^ssh\s+/i, '').replace(/^ssh:\/\//i, '').replace(/\/$/, '').split(/\s+/);
  const port = command ? takePort(words) : undefined;
  const user = command ? takeOption(words, '-l') : undefined;
  if (words.length !== 1 || port === null || user === null) return null;
  return parseTarget(user ? `${user}@${words[0]}` : (words[0] ?? ''), port);
}

function takeOption(words: string[], option: string): string | null | undefined {
  const at = words.findIndex((word) => word === option || (word.startsWith(option) && option.length === 2));
  if (at < 0) return undefined;
  const [first = ''] = words.splice(at, 1);
  if (first.length > option.length) return first.slice(option.length);
  return words.splice(at, 1)[0] ?? null;
}

function takePort(words: string[]): number | null | undefined {
  const value = takeOption(words, '-p');
  if (value === undefined || value === null) return value;
  return readPort(value);
}

function readPort(text: string): number | null {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return goodPort(port) ? port : null;
}

function parseTarget(target: string, given?: number): Quick | null {
  const at = target.lastIndexOf('@');
  if (at < 1) return null;
  const place = splitPort(target.slice(at + 1));
  const user = target.slice(0, at);
  if (!place || !goodUser(user)) return null;
  return { user, address: place.address, port: given ?? place.port };
}

/** `host`, `host:22`, `[::1]:22`, `::1`. A bare IPv6 literal has more than one colon and so no port. */
export function splitPort(text: string): { address: string; port: number } | null {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
  if (bracketed) return place(bracketed[1] ?? '', bracketed[2]);
  const colons = text.split(':').length - 1;
  if (colons !== 1) return place(text, undefined);
  const [address = '', port = ''] = text.split(':');
  return place(address, port);
}

function place(address: string, portText: string | undefined): { address: string; port: number } | null {
  const port = portText === undefined ? 22 : readPort(portText);
  if (port === null || !goodAddress(address)) return null;
  return { address, port };
}

/** How a place is written back for a person: the port only when it is not 22, brackets only when needed. */
export function placeText(address: string, port: number): string {
  if (port === 22) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
