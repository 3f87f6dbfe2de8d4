// The page's end of a terminal's WebSocket (docs/API.md). It counts bytes, acknowledges what was shown, and comes back by itself,
// to the very byte, for as long as the box has the session.

import { ApiError, api, here } from '../base/api';
import { attachWord } from '../base/device';
import { localized, t } from '../base/text';
import type { Session } from '../base/types';
import { backoff } from './backoff';
import { Tries } from './tries';

export interface HostKeyQuestion {
  id: number;
  question: 'host_key';
  host: string;
  port: number;
  algorithm: string;
  fingerprint: string;
  status: 'unknown' | 'changed';
  known: { algorithm: string | null; fingerprint: string; added: number }[];
}

export interface PromptsQuestion {
  id: number;
  question: 'prompts';
  name: string;
  instruction: string;
  prompts: { text: string; echo: boolean }[];
  attempt: number;
}

export type Question = HostKeyQuestion | PromptsQuestion;

interface Attached {
  session: Session;
  offset: number;
  lost: number;
  restore: string;
}

export interface Ended {
  reason: string;
  status: number | null;
  signal: string | null;
  message: string;
  remedy: string;
}

/** What the box says, and how the link fares. */
export interface LinkEvents {
  output(bytes: Uint8Array): void;
  /** `lost`: bytes gone since this page's last one. `from`: at its first time, where it begins; beyond nought it comes late. After a
   * loss and when it comes late `restore` goes before the next byte, on a terminal in its first state. */
  attached(session: Session, lost: number, restore: string, from: number | null): void;
  state(state: Session['state'], detail: string): void;
  question(question: Question): void;
  answered(id: number): void;
  size(cols: number, rows: number): void;
  lost(bytes: number, restore: string): void;
  ended(ended: Ended): void;
  /** More was typed without a connection than is kept. */
  spilled(): void;
  /** The socket is gone; the terminal goes on, and the link tries again in `inMs`. */
  away(inMs: number, why: ApiError | null): void;
  /** It tries now. */
  trying(): void;
  /** The box does not know the session any more: it was restarted, or the session was forgotten. */
  gone(): void;
}

const ACK_EVERY_BYTES = 64 * 1024;
const ACK_AFTER_MS = 1000;
const PIECE_BYTES = 32 * 1024;
/** The browser's own queue: beyond this, a paste waits for the network. */
const QUEUED_BYTES = 256 * 1024;
/** Typed while the network is away, and sent when it is back. */
const HELD_BYTES = 64 * 1024;
/** A page that was asleep for so long does not trust its socket. */
const ASLEEP_MS = 45_000;
const OPENING_MS = 15_000;
/** The box answers and its sockets do not open: once may be bad luck, twice is something in between. */
const UNOPENED = 2;

export class Link {
  private socket: WebSocket | null = null;
  /** Output bytes received since the session began. */
  private offset = 0;
  private shown = 0;
  private acked = 0;
  private attempt = 0;
  private ackTimer = 0;
  private retryTimer = 0;
  private openTimer = 0;
  private hiddenAt = 0;
  private held: Uint8Array[] = [];
  /** More was typed while there was no connection than is kept; what comes after it would make no sense without it. */
  private spilled = false;
  private readonly tries = new Tries();
  private first = true;
  /** Sockets in a row that never opened although the box gave a ticket. */
  private unopened = 0;

  constructor(
    readonly session: string,
    private readonly events: LinkEvents,
  ) {
    window.addEventListener('online', this.wake);
    document.addEventListener('visibilitychange', this.seen);
  }

  /** Ends the link; the terminal goes on. */
  close(): void {
    this.tries.end();
    window.clearTimeout(this.retryTimer);
    window.clearTimeout(this.ackTimer);
    window.removeEventListener('online', this.wake);
    document.removeEventListener('visibilitychange', this.seen);
    this.drop();
  }

  get isOpen(): boolean {
    return this.tries.attached;
  }

  // ---- coming and coming back ----

  /** One try at a time: whoever asks while one is under way joins it. */
  async connect(ticket?: string): Promise<void> {
    const mine = this.tries.begin();
    if (mine === null) return;
    window.clearTimeout(this.retryTimer);
    this.drop();
    this.events.trying();
    try {
      ticket ??= (await api.post<{ ticket: string }>(`/api/sessions/${this.session}/ticket`, {})).ticket;
      const device = await attachWord(ticket);
      if (this.tries.counts(mine)) this.open(ticket, device);
    } catch (error) {
      if (!this.tries.counts(mine)) return;
      if (error instanceof ApiError && error.status === 404) return this.lostForGood();
      this.retry(error instanceof ApiError ? error : null);
    }
  }

  private open(ticket: string, device: string | null): void {
    // Without an offset the box begins at the oldest byte it has, and says which that is.
    const from = this.first ? '' : `&offset=${this.offset}`;
    const socket = new WebSocket(here(`/api/sessions/${this.session}/attach?ticket=${encodeURIComponent(ticket)}${from}${device ?? ''}`).replace(/^http/, 'ws'));
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    this.openTimer = window.setTimeout(() => socket.close(), OPENING_MS);
    socket.onmessage = ({ data }) => {
      if (this.socket !== socket) return;
      if (typeof data === 'string') this.told(JSON.parse(data) as Record<string, unknown>);
      else this.received(new Uint8Array(data as ArrayBuffer));
    };
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.unopened = 0;
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      if (!opened) this.unopened += 1;
      const attached = this.tries.attached;
      this.drop();
      this.retry(device === null && !attached ? keyLost() : this.unopened < UNOPENED ? null : new ApiError(0, 'no_upgrade', t('term.no-upgrade'), t('term.no-upgrade.remedy')));
    };
  }

  private drop(): void {
    window.clearTimeout(this.openTimer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private retry(why: ApiError | null): void {
    this.tries.failed();
    const wait = why?.retryAfter !== undefined ? why.retryAfter * 1000 : backoff(this.attempt, Math.random());
    this.attempt += 1;
    this.events.away(wait, why);
    this.retryTimer = window.setTimeout(() => void this.connect(), wait);
  }

  /** At once, whatever the backoff says. */
  retryNow(): void {
    this.attempt = 0;
    void this.connect();
  }

  private readonly wake = (): void => this.retryNow();

  private readonly seen = (): void => {
    if (document.hidden) {
      this.hiddenAt = Date.now();
    } else if (!this.tries.attached || (this.hiddenAt > 0 && Date.now() - this.hiddenAt > ASLEEP_MS)) {
      this.retryNow();
    }
  };

  private lostForGood(): void {
    this.close();
    this.events.gone();
  }

  // ---- from the box ----

  private received(bytes: Uint8Array): void {
    this.offset += bytes.length;
    this.events.output(bytes);
  }

  private told(message: Record<string, unknown>): void {
    switch (message['type']) {
      case 'attached':
        return this.attached(message as unknown as Attached);
      case 'state':
        return this.events.state(message['state'] as Session['state'], String(message['detail'] ?? ''));
      case 'question':
        return this.events.question(message as unknown as Question);
      case 'answered':
        return this.events.answered(Number(message['id']));
      case 'size':
        return this.events.size(Number(message['cols']), Number(message['rows']));
      case 'lost':
        this.offset = this.shown = this.acked = Number(message['offset']);
        return this.events.lost(Number(message['bytes']), String(message['restore']));
      case 'ended':
        this.close();
        return this.events.ended(inWords(message as unknown as Ended));
    }
  }

  private attached({ session, offset, lost, restore }: Attached): void {
    window.clearTimeout(this.openTimer);
    if (this.first || lost > 0) this.shown = this.acked = offset;
    this.offset = offset;
    // What is gone before a page's first byte was never on its screen.
    const missed = this.first ? 0 : lost;
    const from = this.first ? offset : null;
    this.first = false;
    this.attempt = 0;
    this.tries.succeeded();
    this.events.attached(session, missed, restore, from);
    const held = this.held;
    this.held = [];
    this.spilled = false;
    for (const bytes of held) this.send(bytes);
  }

  /** The terminal has drawn so many bytes more: flow control counts what was shown, not what was received. */
  drew(bytes: number): void {
    this.shown += bytes;
    if (this.shown - this.acked >= ACK_EVERY_BYTES) this.acknowledge();
    else if (this.ackTimer === 0) this.ackTimer = window.setTimeout(() => this.acknowledge(), ACK_AFTER_MS);
  }

  private acknowledge(): void {
    window.clearTimeout(this.ackTimer);
    this.ackTimer = 0;
    if (!this.tries.attached || this.shown <= this.acked) return;
    this.acked = this.shown;
    this.say({ type: 'ack', offset: this.shown });
  }

  // ---- to the box ----

  private say(message: object): void {
    if (this.tries.attached) this.socket?.send(JSON.stringify(message));
  }

  resize(cols: number, rows: number): void {
    this.say({ type: 'resize', cols, rows });
  }

  answerHostKey(id: number, accept: boolean): void {
    this.say({ type: 'answer', id, accept, remember: accept });
  }

  answerPrompts(id: number, responses: string[] | null): void {
    this.say(responses ? { type: 'answer', id, responses } : { type: 'answer', id, cancel: true });
  }

  /** What xterm.js answers a program by itself. An answer that comes late would be typed into the next one. */
  report(text: string): void {
    this.say({ type: 'report', text });
  }

  /** False: there is no connection, and more than is kept until there is one. */
  send(bytes: Uint8Array): boolean {
    if (this.tries.over) return true;
    if (!this.tries.attached) return this.hold(bytes);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) this.socket?.send(bytes.slice(at, at + PIECE_BYTES));
    return true;
  }

  private hold(bytes: Uint8Array): boolean {
    const waiting = this.held.reduce((sum, one) => sum + one.length, 0);
    if (!this.spilled && waiting + bytes.length > HELD_BYTES) {
      this.spilled = true;
      this.events.spilled();
    }
    if (!this.spilled) this.held.push(bytes);
    return !this.spilled;
  }

  /** A long paste: piece by piece, no faster than the network takes it. False: the link broke on the way, or `stop` said so. */
  async sendAll(bytes: Uint8Array, progress: (sent: number) => void, stop: () => boolean): Promise<boolean> {
    const socket = this.socket;
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      while (this.socket === socket && this.tries.attached && (socket?.bufferedAmount ?? 0) > QUEUED_BYTES) {
        if (stop()) return false;
        await new Promise((resolve) => window.setTimeout(resolve, 15));
      }
      if (this.socket !== socket || !this.tries.attached || stop()) return false;
      socket?.send(bytes.slice(at, at + PIECE_BYTES));
      progress(Math.min(at + PIECE_BYTES, bytes.length));
    }
    return true;
  }
}

/** A socket that is refused does not say why; this is the one reason that the page knows. */
function keyLost(): ApiError {
  return new ApiError(403, 'device_needed', t('base.device.lost'), t('base.device.lost.remedy'));
}

function inWords(ended: Ended): Ended {
  return { ...ended, message: localized(ended.message), remedy: localized(ended.remedy) };
}
