// The line that a person pastes on a host so that it knows a new key. No DOM here.

/** Single quotes hold everything for a POSIX shell but the single quote itself. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * What ssh-copy-id does on the far side, as one line: right modes, and the key once even if pasted twice. The empty line
 * before it is for files whose last line has no end.
 */
export function installLine(publicKey: string): string {
  const file = '~/.ssh/authorized_keys';
  const key = shellQuote(publicKey.trim());
  return `K=${key}; umask 077; mkdir -p ~/.ssh; grep -qxF "$K" ${file} 2>/dev/null || printf '\\n%s\\n' "$K" >> ${file}`;
}

/** Dropbear, as OpenWrt ships it, keeps root's keys elsewhere. */
export function dropbearLine(publicKey: string): string {
  return `echo ${shellQuote(publicKey.trim())} >> /etc/dropbear/authorized_keys`;
}
