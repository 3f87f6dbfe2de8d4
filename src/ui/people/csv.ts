// The audit as a table for other programs (RFC 4180). No DOM here.

import type { AuditEvent } from './box';

const FIRST = ['time', 'event', 'user', 'peer'];

export function auditCsv(events: AuditEvent[]): string {
  const names = [...new Set([...FIRST, ...events.flatMap((event) => Object.keys(event))])].filter((name) => name !== 'chain');
  const rows = events.map((event) => names.map((name) => cell(name === 'time' ? new Date(event.time * 1000).toISOString() : event[name])).join(','));
  return [names.join(','), ...rows].join('\r\n') + '\r\n';
}

/** What some spreadsheets run, where a cell begins; and where one begins depends on the reader: German Excel cuts this file at each ';'. */
const FORMULA = /(?:^|[;,\t\r\n])[\s"]*(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g;

/** Names typed at the sign-in and labels are anybody's: an apostrophe keeps what follows it a text. */
function cell(value: unknown): string {
  const text = value === undefined || value === null ? '' : String(value);
  const safe = text.replace(FORMULA, "$&'");
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
