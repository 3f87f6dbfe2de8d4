// The audit as a table for other programs (RFC 4180). No DOM here.

import type { AuditEvent } from './box';

const FIRST = ['time', 'event', 'user', 'peer'];

export function auditCsv(events: AuditEvent[]): string {
  const names = [...new Set([...FIRST, ...events.flatMap((event) => Object.keys(event))])].filter((name) => name !== 'chain');
  const rows = events.map((event) => names.map((name) => cell(name === 'time' ? new Date(event.time * 1000).toISOString() : event[name])).join(','));
  return [names.join(','), ...rows].join('\r\n') + '\r\n';
}

/** A cell that begins like a formula would be run by some spreadsheets; a name typed at the sign-in may begin so. */
function cell(value: unknown): string {
  const text = value === undefined || value === null ? '' : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
