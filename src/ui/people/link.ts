// What follows `#` in the links of an invitation and a reset. It stays in the browser and is never sent as an address. No DOM here.

export interface TokenLink {
  kind: 'invite' | 'reset';
  token: string;
}

export function readLink(hash: string): TokenLink | null {
  const found = /^#(invite|reset)=([\w-]{20,200})$/.exec(hash);
  return found ? { kind: found[1] as TokenLink['kind'], token: found[2] ?? '' } : null;
}

/** `page`: the page's own address, with its slash. */
export function inviteLink(page: string, token: string): string {
  return `${page}#invite=${token}`;
}
