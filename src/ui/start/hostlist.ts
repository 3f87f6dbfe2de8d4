// Which hosts are shown, in which order, under which heading. No DOM here.

import type { Host } from '../base/types';
import { placeText } from './quick';

export interface Section {
  key: 'favourites' | 'recent' | 'all' | 'found';
  hosts: Host[];
}

/** How many recent hosts stand above the whole list. */
const RECENT = 5;

export function hostTitle(host: Pick<Host, 'label' | 'user' | 'address' | 'port'>): string {
  return host.label || hostPlace(host);
}

export function hostPlace(host: Pick<Host, 'user' | 'address' | 'port'>): string {
  return `${host.user}@${placeText(host.address, host.port)}`;
}

export function tagsOf(hosts: Host[]): string[] {
  const counts = new Map<string, number>();
  for (const tag of hosts.flatMap((host) => host.tags)) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([tag]) => tag);
}

/** Without a search each host appears once: as a favourite, else as recent, else in the whole list. */
export function arrange(hosts: Host[], search: string, tag: string): Section[] {
  const pool = tag === '' ? hosts : hosts.filter((host) => host.tags.includes(tag));
  if (search.trim() !== '') return [{ key: 'found', hosts: find(pool, search) }];
  const favourites = pool.filter((host) => host.favourite);
  const others = pool.filter((host) => !host.favourite);
  const recent = pool.length <= RECENT + 2 ? [] : newest(others).slice(0, RECENT);
  const rest = others.filter((host) => !recent.includes(host));
  const sections: Section[] = [
    { key: 'favourites', hosts: favourites },
    { key: 'recent', hosts: recent },
    { key: 'all', hosts: rest },
  ];
  return sections.filter((section) => section.hosts.length > 0);
}

function newest(hosts: Host[]): Host[] {
  return hosts.filter((host) => host.last_used !== null).sort((a, b) => (b.last_used ?? 0) - (a.last_used ?? 0));
}

/** Every word must be found somewhere; a label that begins so comes first, then what was used last. */
export function find(hosts: Host[], search: string): Host[] {
  const words = search.trim().toLowerCase().split(/\s+/);
  const scored = hosts.flatMap((host) => {
    const scores = words.map((word) => score(host, word));
    return scores.includes(0) ? [] : [{ host, score: scores.reduce((sum, one) => sum + one, 0) }];
  });
  scored.sort((a, b) => b.score - a.score || (b.host.last_used ?? 0) - (a.host.last_used ?? 0));
  return scored.map((one) => one.host);
}

function score(host: Host, word: string): number {
  const label = host.label.toLowerCase();
  const bonus = host.favourite ? 1 : 0;
  if (label.startsWith(word)) return 8 + bonus;
  if (host.address.toLowerCase().startsWith(word)) return 7 + bonus;
  if (label.includes(word)) return 6 + bonus;
  if (hostPlace(host).toLowerCase().includes(word)) return 4 + bonus;
  if (host.tags.some((tag) => tag.toLowerCase().includes(word.replace(/^#/, '')))) return 3 + bonus;
  return host.notes.toLowerCase().includes(word) ? 1 + bonus : 0;
}

export interface Age {
  unit: 'now' | 'minute' | 'hour' | 'day';
  count: number;
}

/** How long ago, in the largest unit that says something. */
export function age(since: number, now: number): Age {
  const seconds = Math.max(0, now - since);
  if (seconds < 60) return { unit: 'now', count: 0 };
  if (seconds < 3600) return { unit: 'minute', count: Math.floor(seconds / 60) };
  if (seconds < 86400) return { unit: 'hour', count: Math.floor(seconds / 3600) };
  return { unit: 'day', count: Math.floor(seconds / 86400) };
}

/** Tags as a person types them: commas or new lines between, `#` allowed, doubles and emptiness dropped. */
export function readTags(text: string): string[] {
  const tags = text.split(/[,\n]/).map((tag) => tag.trim().replace(/^#/, ''));
  return [...new Set(tags.filter((tag) => tag !== ''))];
}
