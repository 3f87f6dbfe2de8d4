// Reads what a person pastes from ~/.ssh/config (ssh_config(5)) and says what can be taken over. No DOM here.

import { goodAddress, goodPort, goodUser } from './quick';

export interface ConfigHost {
  label: string;
  address: string;
  port: number;
  /** Empty when neither the block nor a `Host *` names one: the page then asks. */
  user: string;
  line: number;
  /** Options that are not taken over, for example `ProxyJump`. */
  ignored: string[];
}

export interface ConfigSkipped {
  line: number;
  text: string;
  /** A key of the text catalogue. */
  why: string;
}

export interface ParsedConfig {
  hosts: ConfigHost[];
  skipped: ConfigSkipped[];
}

interface Block {
  line: number;
  patterns: string[];
  options: Map<string, string>;
}

const TAKEN = new Set(['hostname', 'user', 'port']);
/** Options whose absence changes where or how one arrives; the others are silent. */
const TELLING = new Map([
  ['proxyjump', 'ProxyJump'],
  ['proxycommand', 'ProxyCommand'],
  ['identityfile', 'IdentityFile'],
  ['certificatefile', 'CertificateFile'],
  ['hostkeyalias', 'HostKeyAlias'],
  ['localforward', 'LocalForward'],
  ['remoteforward', 'RemoteForward'],
  ['dynamicforward', 'DynamicForward'],
  ['forwardagent', 'ForwardAgent'],
  ['remotecommand', 'RemoteCommand'],
]);

export function parseSshConfig(text: string): ParsedConfig {
  const skipped: ConfigSkipped[] = [];
  const blocks = readBlocks(text, skipped);
  const hosts: ConfigHost[] = [];
  const seen = new Set<string>();
  for (const block of blocks) {
    for (const pattern of block.patterns) {
      const told = readHost(pattern, block, blocks);
      if ('why' in told) {
        if (block.line > 0) skipped.push(told);
      } else if (!seen.has(told.label)) {
        seen.add(told.label);
        hosts.push(told);
      }
    }
  }
  skipped.sort((a, b) => a.line - b.line);
  return { hosts, skipped };
}

/** What stands before the first `Host` line holds for every host, as a `Host *` of line 0. */
function readBlocks(text: string, skipped: ConfigSkipped[]): Block[] {
  let block: Block | null = { line: 0, patterns: ['*'], options: new Map() };
  const blocks: Block[] = [block];
  text.split(/\r\n|\r|\n/).forEach((raw, index) => {
    const line = index + 1;
    const [keyword, value] = readLine(raw);
    if (keyword === '') return;
    if (keyword === 'host') {
      block = { line, patterns: words(value), options: new Map() };
      blocks.push(block);
    } else if (keyword === 'match') {
      block = null;
      skipped.push({ line, text: raw.trim(), why: 'start.config.match' });
    } else if (keyword === 'include') {
      skipped.push({ line, text: raw.trim(), why: 'start.config.include' });
    } else if (value === '') {
      skipped.push({ line, text: raw.trim(), why: 'start.config.unreadable' });
    } else if (block && !block.options.has(keyword)) {
      block.options.set(keyword, value);
    }
  });
  return blocks;
}

/** `Keyword value`, `Keyword=value`, `Keyword = "value"`; a comment or an empty line has no keyword. */
function readLine(raw: string): [string, string] {
  const line = raw.trim();
  if (line === '' || line.startsWith('#')) return ['', ''];
  const parts = /^([^\s=]+)(?:\s*=\s*|\s+)?(.*)$/.exec(line);
  if (!parts) return ['', ''];
  return [(parts[1] ?? '').toLowerCase(), (parts[2] ?? '').trim()];
}

/** Words as ssh reads them: quotes hold spaces together, a `#` that begins a word begins a comment. */
function words(value: string): string[] {
  const found: string[] = [];
  for (const match of value.matchAll(/"([^"]*)"|(\S+)/g)) {
    if (match[2]?.startsWith('#')) break;
    found.push(match[1] ?? match[2] ?? '');
  }
  return found;
}

function readHost(pattern: string, block: Block, blocks: Block[]): ConfigHost | ConfigSkipped {
  const skip = (why: string): ConfigSkipped => ({ line: block.line, text: pattern, why });
  if (pattern.startsWith('!')) return skip('start.config.negated');
  if (/[*?]/.test(pattern)) return skip('start.config.pattern');
  const options = effective(pattern, blocks);
  const address = expand(options.get('hostname') ?? pattern, pattern);
  const port = Number(options.get('port') ?? '22');
  const user = options.get('user') ?? '';
  if (!goodAddress(address)) return skip('start.config.address');
  if (!goodPort(port)) return skip('start.config.port');
  if (user !== '' && !goodUser(user)) return skip('start.config.user');
  return { label: pattern.slice(0, 100), address, port, user, line: block.line, ignored: ignoredOf(options) };
}

/** ssh's rule: for each option the first value of any block that matches. */
function effective(name: string, blocks: Block[]): Map<string, string> {
  const options = new Map<string, string>();
  for (const block of blocks) {
    if (!matchesAny(name, block.patterns)) continue;
    for (const [keyword, value] of block.options) {
      if (!options.has(keyword)) options.set(keyword, TAKEN.has(keyword) ? (words(value)[0] ?? '') : value);
    }
  }
  return options;
}

function matchesAny(name: string, patterns: string[]): boolean {
  if (patterns.some((pattern) => pattern.startsWith('!') && matches(name, pattern.slice(1)))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && matches(name, pattern));
}

/** `*` and `?`, without a regular expression, so that a hostile pattern cannot take for ever. */
export function matches(name: string, pattern: string): boolean {
  let at = 0;
  let p = 0;
  let star = -1;
  let mark = 0;
  while (at < name.length) {
    const wanted = pattern[p];
    if (wanted === '*') {
      star = p++;
      mark = at;
    } else if (wanted !== undefined && (wanted === '?' || wanted.toLowerCase() === name[at]?.toLowerCase())) {
      p++;
      at++;
    } else if (star >= 0) {
      p = star + 1;
      at = ++mark;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

function expand(hostname: string, name: string): string {
  return hostname.replaceAll('%h', name).replaceAll('%%', '%').replace(/^\[(.*)\]$/, '$1');
}

function ignoredOf(options: Map<string, string>): string[] {
  return [...options].flatMap(([keyword, value]) => {
    const name = TELLING.get(keyword);
    return name && value.toLowerCase() !== 'none' && value.toLowerCase() !== 'no' ? [name] : [];
  });
}
