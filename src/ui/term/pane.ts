// One terminal on the page: xterm.js, its link to the box, and what lies over it (questions, trouble, the end).

import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal } from '@xterm/xterm';
import { announce, toast } from '../base/announce';
import { ApiError, api } from '../base/api';
import { startWord } from '../base/device';
import { openDialog } from '../base/dialog';
import { clear, h } from '../base/dom';
import { type Settings, onSettings, settings } from '../base/settings';
import { localized, t } from '../base/text';
import type { Session } from '../base/types';
import { FindBar } from './find';
import { type Ended, type HostKeyQuestion, Link, type Question } from './link';
import { Pace, keyPressed } from './pace';
import { PASTE_END, asksFirst, counts, prepared, preview } from './paste';
import { hostKeyPanel, promptsPanel } from './questions';
import { makeXtermFitThePolicy } from './strictcsp';
import { currentTheme, whenSystemChanges } from './themes';
import { TouchSelect } from './touchselect';

/** Where a pane leads: enough to start it again after its end. */
export interface Goal {
  host_id?: string;
  address?: string;
  port?: number;
  user?: string;
  credential_id?: string | null;
  title: string;
  colour?: string;
  /** Programs there may write the clipboard. */
  osc52?: boolean;
}

/** That it is its owner who wants a password to be sent there. */
export interface PlaceProof {
  address: string;
  port: number;
  proof: string;
}

export type PaneState = 'connecting' | 'asking' | 'live' | 'away' | 'ended';

export interface PaneOwner {
  changed(pane: Pane): void;
  /** Output came, for whoever is not looking. */
  printed(pane: Pane): void;
  /** The pane was typed in; where broadcast is on, others get it too. */
  typed(pane: Pane, bytes: Uint8Array): void;
  focused(pane: Pane): void;
  /** Yes to a changed host key, which needs a proof that somebody is there. False: thought better of it, or not asked any more. */
  overridden(pane: Pane, session: string, question: HostKeyQuestion): Promise<boolean>;
  /** A stored password goes to a place where it was not sent before, which needs the same. Null: thought better of it, or the pane is gone.
   * Without a proof the deed is tried once more, when another pane's proof may have been for the same place. */
  allowed<T>(pane: Pane, deed: (proof?: PlaceProof) => Promise<T>): Promise<{ done: T } | null>;
  /** The end was seen; the pane may go. */
  dismissed(pane: Pane): void;
  /** False: the key is the page's own and xterm.js must not see it. */
  key(event: KeyboardEvent, pane: Pane): boolean;
}

const RESIZE_AFTER_MS = 90;
const NUDGE_MS = 120;
/** Any sequence given up, the normal screen, nothing switched on: all that `restore` of the box's may switch on (src/bridge/modes.rs). */
const FIRST_STATE = '\x18\x1b[?1049l\x1b[!p\x1b[?9;45;1000;1002;1003;1004;1006;1016;2004l\x1b[20l\x1b>\x1b(B\x1b)B\x0f';
/** Device attributes, status reports, mode and window requests: what a terminal answers as if it were typed. */
const ASKING = [{ final: 'c' }, { prefix: '>', final: 'c' }, { final: 'n' }, { prefix: '?', final: 'n' }, { intermediates: '$', final: 'p' }, { prefix: '?', intermediates: '$', final: 'p' }, { prefix: '>', final: 'q' }, { final: 't' }];
/** Colours, of which a program may ask what they are. */
const ASKING_OSC = [4, 10, 11, 12];
/** What a program is told of the focus, and where the mouse is: for the terminal it is over, and for no other that hears the same keys. */
const FOCUS = /^\x1b\[[IO]$/;
const MOUSE = /^\x1b\[<[\d;]+[Mm]$/;
const OSC52_BYTES = 256 * 1024;
/** Longer work shows its progress (T9). */
const PROGRESS_BYTES = 512 * 1024;

const utf8 = new TextEncoder();

export class Pane {
  readonly id = crypto.randomUUID();
  readonly root: HTMLElement;
  readonly term: Terminal;
  state: PaneState = 'connecting';
  title: string;
  session: string | null = null;
  /** Sticky modifiers of the phone's key bar, for the next key. */
  sticky = { ctrl: false, alt: false };
  private readonly fitter = new FitAddon();
  private readonly find: FindBar;
  private readonly screen = h('div', { class: 'screen' });
  private readonly overlay = h('div', { class: 'overlay', hidden: true });
  private readonly bar = h('div', { class: 'pane-bar', hidden: true });
  private readonly watcher: ResizeObserver;
  private readonly forget: (() => void)[];
  private readonly pace = new Pace((bytes) => this.print(bytes));
  private link: Link | null = null;
  private resizeTimer = 0;
  private nudge = 0;
  /** Bytes that xterm.js has read, and where those end that were there before this page. */
  private parsed = 0;
  private replayedTo = 0;
  private asked: number | null = null;
  private disposed = false;
  /** A long paste is under way; what is typed meanwhile comes after it. */
  private pasting: { after: Uint8Array[]; stop: () => void } | null = null;
  /** xterm.js reads a question, and answers it by itself. */
  private answering = false;
  /** Another device decides the size at the moment. */
  private follows = false;
  private countdown = 0;
  /** Why the link is away, where the box or a proxy said so. */
  private whyAway: ApiError | null = null;

  constructor(
    readonly goal: Goal,
    private readonly owner: PaneOwner,
  ) {
    makeXtermFitThePolicy();
    this.title = goal.title;
    this.term = new Terminal({ ...options(settings), allowProposedApi: true, linkHandler: { activate: (_, uri) => void followHidden(uri) } });
    this.term.loadAddon(this.fitter);
    this.term.loadAddon(new Unicode11Addon());
    this.term.unicode.activeVersion = '11';
    this.term.loadAddon(new WebLinksAddon((_, uri) => follow(uri)));
    const search = new SearchAddon();
    this.term.loadAddon(search);
    this.find = new FindBar(search, () => this.focus());
    this.root = h('section', { class: 'pane', 'aria-label': goal.title, 'data-state': 'connecting' }, this.find.root, this.screen, this.overlay, this.bar);
    this.listen();
    new TouchSelect(this.term, this.screen, this.root, { copy: () => void this.copy(), paste: () => void this.pasteClipboard() });
    this.watcher = new ResizeObserver(() => this.fitSoon());
    this.watcher.observe(this.screen);
    this.forget = [onSettings((now) => this.restyle(now)), whenSystemChanges(() => this.restyle(settings))];
  }

  /** After it is in the page: xterm.js measures the font there. */
  open(): void {
    if (this.term.element) return;
    this.term.open(this.screen);
    this.paintMargin();
    this.term.textarea?.setAttribute('autocapitalize', 'none');
    this.fit();
  }

  dispose(): void {
    this.disposed = true;
    this.pace.flush();
    this.link?.close();
    this.watcher.disconnect();
    for (const forget of this.forget) forget();
    window.clearInterval(this.countdown);
    window.clearTimeout(this.nudge);
    this.term.dispose();
    this.root.remove();
  }

  focus(): void {
    const field = this.overlay.hidden ? null : this.overlay.querySelector<HTMLElement>('.first, input, button');
    if (field) field.focus();
    else this.term.focus();
  }

  private listen(): void {
    this.term.onData((text) => {
      if (this.answering || FOCUS.test(text)) this.link?.report(text);
      else if (MOUSE.test(text)) this.type(utf8.encode(text));
      else this.input(utf8.encode(text));
    });
    // The mouse's older protocols, and nothing else.
    this.term.onBinary((text) => this.type(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    this.term.onTitleChange((title) => this.retitle(title));
    this.term.onBell(() => this.ring());
    this.term.onSelectionChange(() => {
      if (settings.copyOnSelect && this.term.hasSelection()) void this.copy(false);
    });
    this.staySilent();
    this.term.parser.registerOscHandler(52, (data) => this.clipboardRequest(data));
    this.term.attachCustomKeyEventHandler((event) => this.key(event));
    this.root.addEventListener('keydown', () => keyPressed(performance.now()), true);
    this.root.addEventListener('focusin', () => this.owner.focused(this));
    this.screen.addEventListener('contextmenu', (event) => this.rightClick(event));
    this.screen.addEventListener('auxclick', (event) => {
      if (event.button === 1) {
        event.preventDefault();
        void this.pasteClipboard();
      }
    });
    // The browser's own paste (its menu, or a phone's) takes the same way as ours.
    this.screen.addEventListener('paste', (event) => this.nativePaste(event), true);
    this.screen.addEventListener('dragover', (event) => event.preventDefault());
    this.screen.addEventListener('drop', (event) => {
      event.preventDefault();
      const text = event.dataTransfer?.getData('text/plain') ?? '';
      if (text !== '') void this.paste(text);
    });
  }

  /** What a program asked before this page came was answered then, or will never be: a second answer would be typed into it. */
  private staySilent(): void {
    const replayed = (): boolean => {
      // xterm.js answers in the same task, in which nobody can press a key.
      this.answering = true;
      queueMicrotask(() => (this.answering = false));
      return this.parsed < this.replayedTo;
    };
    for (const id of ASKING) this.term.parser.registerCsiHandler(id, replayed);
    this.term.parser.registerDcsHandler({ intermediates: '$', final: 'q' }, replayed);
    for (const id of ASKING_OSC) this.term.parser.registerOscHandler(id, (data) => data.includes('?') && replayed());
  }

  // ---- the session ----

  /** A new terminal on the box. */
  async start(): Promise<void> {
    this.become('connecting', t('term.starting', { host: this.goal.title }));
    try {
      const made = await this.begin();
      // Closed while the box began: nobody looks at it, and nobody was asked whether it may go on.
      if (this.disposed) return void api.del(`/api/sessions/${made.session.id}`).catch(() => undefined);
      this.join(made.session.id, made.ticket);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.disposed) return;
      // This sign-in was made with a device: what is missing is its key.
      const [message, remedy] = error.code === 'device_needed' ? [t('base.device.lost'), t('base.device.lost.remedy')] : [error.message, error.remedy];
      this.finish({ reason: 'refused-by-box', status: null, signal: null, message, remedy });
    }
  }

  /** The box says whether a stored password was not sent there before; then who sits here proves it. */
  private async begin(): Promise<{ session: Session; ticket: string }> {
    const { title: _title, colour: _colour, osc52: _osc52, ...where } = this.goal;
    const post = async (proof?: PlaceProof): Promise<{ session: Session; ticket: string }> =>
      api.post('/api/sessions', { ...where, ...proof, cols: this.term.cols, rows: this.term.rows, device: await startWord() });
    try {
      return await post();
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'proof_needed' || this.disposed) throw error;
      const proven = await this.owner.allowed(this, post);
      if (!proven) throw error;
      return proven.done;
    }
  }

  /** One that is there, perhaps begun on another device. */
  attach(session: string): void {
    this.join(session);
  }

  private join(session: string, ticket?: string): void {
    this.session = session;
    this.link?.close();
    this.link = new Link(session, {
      output: (bytes) => this.pace.push(bytes),
      attached: (now, lost, restore, from) => this.attached(now, lost, restore, from),
      state: (state, detail) => this.became(state, detail),
      question: (question) => this.ask(question),
      answered: (id) => this.asked === id && this.unask(),
      size: (cols, rows) => this.follow(cols, rows),
      lost: (bytes, restore) => this.missed(bytes, restore),
      ended: (ended) => this.finish(ended),
      spilled: () => toast(t('term.away.full'), 'danger'),
      away: (inMs, why) => this.away(inMs, why),
      trying: () => this.trying(),
      gone: () => this.finish({ reason: 'gone', status: null, signal: null, message: t('term.gone'), remedy: t('term.gone.remedy') }),
    });
    this.owner.changed(this);
    void this.link.connect(ticket);
  }

  private attached(session: Session, lost: number, restore: string, from: number | null): void {
    if (from !== null) [this.parsed, this.replayedTo] = [from, session.end_offset];
    this.retitle(this.title || session.title);
    if (this.state === 'away') announce(t('term.back'));
    if (session.state === 'live') this.become('live');
    this.follows = false;
    if (lost > 0) return this.missed(lost, restore);
    if (from !== null && from > 0) {
      this.term.write(restore);
      this.redraw();
    } else {
      this.sendSize();
    }
  }

  private became(state: Session['state'], detail: string): void {
    if (state === 'live') {
      if (this.state !== 'live') announce(t('term.connected', { host: this.title }));
      this.become('live');
      this.sendSize();
    } else if (state === 'connecting') {
      this.become('connecting', detail === '' ? t('term.starting', { host: this.goal.title }) : localized(detail));
    } else if (state === 'asking') {
      this.become('asking');
    }
  }

  private print(bytes: Uint8Array): void {
    const link = this.link;
    this.term.write(bytes, () => {
      this.parsed += bytes.length;
      link?.drew(bytes.length);
    });
    this.owner.printed(this);
  }

  /** Bytes are gone for good: what is on the screen moves up into the scrollback, and a clean one begins where the box's bytes do. */
  private missed(bytes: number, restore: string): void {
    this.pace.flush();
    const { rows } = this.term;
    this.reset();
    this.term.write(`\x1b[${rows};1H${'\r\n'.repeat(rows)}\x1b[H\x1b[2m${t('term.lost', { bytes })}\x1b[0m\r\n${restore}`);
    this.redraw();
  }

  private reset(): void {
    // The cursor's first style is a setting, and no sequence knows it.
    this.term.write(FIRST_STATE, () => Object.assign(this.term.options, options(settings)));
  }

  /** A change of size makes full-screen programs draw everything. Until it is taken back, no other size is told. */
  private redraw(): void {
    const { cols, rows } = this.term;
    this.link?.resize(cols > 2 ? cols - 1 : cols + 1, rows);
    window.clearTimeout(this.nudge);
    this.nudge = window.setTimeout(() => {
      this.nudge = 0;
      this.sendSize();
    }, NUDGE_MS);
  }

  private away(inMs: number, why: ApiError | null): void {
    if (this.state !== 'away') announce(`${t('term.away')} ${t('term.away.on')}`, true);
    this.become('away');
    this.whyAway = why && why.code !== 'unreachable' ? why : null;
    const until = Date.now() + inMs;
    window.clearInterval(this.countdown);
    const show = (): void => this.sayAway(t('term.away.in', { seconds: Math.max(1, Math.ceil((until - Date.now()) / 1000)) }));
    show();
    this.countdown = window.setInterval(show, 1000);
  }

  /** The first try has words of its own. */
  private trying(): void {
    if (this.state !== 'away') return;
    window.clearInterval(this.countdown);
    this.sayAway(t('term.away.trying'));
  }

  /** What is wrong, what becomes of the terminal or what to do about it, and when it goes on. */
  private sayAway(when: string): void {
    const [text, more] = this.whyAway ? [this.whyAway.message, this.whyAway.remedy] : [t('term.away'), t('term.away.on')];
    this.say('warn', text, [more, when], [{ label: t('term.away.now'), run: () => this.link?.retryNow() }]);
  }

  private finish(ended: Ended): void {
    this.pace.flush();
    this.unask();
    this.become('ended');
    const fine = ended.reason === 'exit' && ended.status === 0;
    const text = ended.reason === 'exit' ? t('term.exit', { status: ended.status ?? 0 }) : ended.reason === 'signal' ? t('term.signal', { signal: ended.signal ?? '' }) : ended.message;
    this.say(fine ? 'ok' : 'danger', text, [ended.remedy], [
      { label: t('term.again'), run: () => void this.again() },
      { label: t('term.dismiss'), run: () => this.owner.dismissed(this) },
    ]);
    announce(`${text} ${ended.remedy}`, !fine);
  }

  /** Enter after the end: the same host again, below what is on the screen. */
  async again(): Promise<void> {
    if (this.state !== 'ended') return;
    // What the last program had switched on is not the next one's.
    this.reset();
    this.term.write('\r\n\x1b[0m');
    this.retitle(this.goal.title);
    this.say(null);
    await this.start();
  }

  // ---- state and what is said about it ----

  private become(state: PaneState, detail = ''): void {
    if (state !== 'away') window.clearInterval(this.countdown);
    this.state = state;
    this.root.dataset['state'] = state;
    if (state === 'live' || state === 'asking') this.say(null);
    if (state === 'connecting') {
      this.say('busy', detail);
      announce(detail);
    }
    if (state !== 'asking' && state !== 'away') this.unask();
    this.owner.changed(this);
  }

  /** For those who look; what is heard is announced, once and not with every second. */
  private say(kind: 'busy' | 'ok' | 'warn' | 'danger' | null, text = '', more: string[] = [], actions: { label: string; run: () => void }[] = []): void {
    this.bar.hidden = kind === null;
    this.bar.dataset['kind'] = kind ?? '';
    // The same button again: the focus stays where it is while the seconds count down.
    const old = [...this.bar.querySelectorAll('button')];
    const spans = [h('span', { class: kind === 'busy' ? 'spinner' : 'dot' }), h('span', { class: 'pane-bar-text' }, h('strong', {}, text), ...more.filter((one) => one !== '').map((one) => h('span', {}, one)))];
    if (old.length === actions.length && old.every((button, at) => button.textContent === actions[at]?.label)) {
      for (const child of [...this.bar.children]) if (!(child instanceof HTMLButtonElement)) child.remove();
      this.bar.prepend(...spans);
      return;
    }
    if (this.bar.contains(document.activeElement)) this.term.focus();
    clear(this.bar);
    this.bar.append(...spans, ...actions.map((action) => h('button', { type: 'button', class: 'button', on: { click: () => action.run() } }, action.label)));
  }

  private ask(question: Question): void {
    this.become('asking');
    this.asked = question.id;
    clear(this.overlay);
    this.overlay.hidden = false;
    const done = (send: () => void): void => {
      send();
      this.unask();
      this.term.focus();
    };
    if (question.question === 'host_key') {
      announce(t(question.status === 'changed' ? 'term.key.changed' : 'term.key.unknown'), true);
      this.overlay.append(hostKeyPanel(question, (accept) => (accept && question.status === 'changed' ? void this.override(question) : done(() => this.link?.answerHostKey(question.id, accept)))));
    } else {
      announce(t('term.prompt.title', { host: this.title }), true);
      this.overlay.append(promptsPanel(question, this.title, (responses) => done(() => this.link?.answerPrompts(question.id, responses))));
    }
  }

  /** The question stays until the box has heard the yes: who closes the dialog is asked again by the panel behind it. */
  private async override(question: HostKeyQuestion): Promise<void> {
    if (this.session === null || !(await this.owner.overridden(this, this.session, question))) return;
    if (this.asks(question)) this.unask();
    this.term.focus();
  }

  asks(question: HostKeyQuestion): boolean {
    return this.asked === question.id;
  }

  private unask(): void {
    this.asked = null;
    this.overlay.hidden = true;
    clear(this.overlay);
  }

  private retitle(title: string): void {
    // A program's title is text of somebody else's: without control characters, and not endless.
    this.title = title.replace(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g, '').slice(0, 120) || this.goal.title;
    this.root.setAttribute('aria-label', this.title);
    this.owner.changed(this);
  }

  private ring(): void {
    if (settings.bell === 'visual') {
      this.root.classList.add('rang');
      window.setTimeout(() => this.root.classList.remove('rang'), 160);
    } else if (settings.bell === 'sound') {
      beep();
    }
    this.owner.printed(this);
  }

  // ---- size ----

  private fitSoon(): void {
    window.clearTimeout(this.resizeTimer);
    this.resizeTimer = window.setTimeout(() => this.fit(), RESIZE_AFTER_MS);
  }

  fit(): void {
    if (!this.term.element || this.screen.clientWidth === 0) return;
    const before = `${this.term.cols}x${this.term.rows}`;
    const size = this.fitter.proposeDimensions();
    if (!size || !Number.isFinite(size.cols) || !Number.isFinite(size.rows)) return;
    this.follows = false;
    const { viewportY, baseY } = this.term.buffer.active;
    this.term.resize(Math.min(1000, Math.max(2, size.cols)), Math.min(1000, Math.max(2, size.rows)));
    // xterm.js may take a change of size for scrolling by hand, and then stays where it is.
    if (viewportY === baseY) this.term.scrollToBottom();
    if (before !== `${this.term.cols}x${this.term.rows}`) this.sendSize();
  }

  private sendSize(): void {
    if (this.nudge === 0) this.link?.resize(this.term.cols, this.term.rows);
  }

  /** Another device gave the terminal its size; ours shows it as it is, until somebody types here. */
  private follow(cols: number, rows: number): void {
    if (cols === this.term.cols && rows === this.term.rows) return;
    this.follows = true;
    this.term.resize(cols, rows);
  }

  private restyle(now: Settings): void {
    Object.assign(this.term.options, options(now));
    this.paintMargin();
    this.fitSoon();
  }

  /** What is left of the pane beside whole cells has the terminal's colour. */
  private paintMargin(): void {
    this.screen.style.setProperty('background', currentTheme().background ?? '');
  }

  // ---- input ----

  private key(event: KeyboardEvent): boolean {
    if (event.type === 'keydown' && this.state === 'ended' && event.key === 'Enter' && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      void this.again();
      return false;
    }
    return this.owner.key(event, this);
  }

  private input(bytes: Uint8Array): void {
    const ours = this.modified(bytes);
    this.type(ours);
    this.owner.typed(this, ours);
  }

  /** Straight to the host, as if it were typed here. False: it does not get there. */
  type(bytes: Uint8Array): boolean {
    if (this.pasting) {
      // Ctrl+C: a host that does not read the paste may read that.
      if (bytes.length === 1 && bytes[0] === 3) this.pasting.stop();
      this.pasting.after.push(bytes);
      return true;
    }
    if (this.follows) this.fit();
    this.pace.typed();
    return this.link?.send(bytes) ?? false;
  }

  /** A named key or text, with the sticky modifiers. */
  press(text: string): void {
    this.input(utf8.encode(text));
    this.term.scrollToBottom();
  }

  private modified(bytes: Uint8Array): Uint8Array {
    const { ctrl, alt } = this.sticky;
    const [only] = bytes;
    if ((!ctrl && !alt) || only === undefined) return bytes;
    this.sticky = { ctrl: false, alt: false };
    this.owner.changed(this);
    // Ctrl makes sense of one plain character: the lower five bits (RFC 20).
    const body = ctrl && bytes.length === 1 && only >= 0x3f && only < 0x7f ? Uint8Array.of(only & 0x1f) : ctrl && bytes.length === 1 && only === 0x20 ? Uint8Array.of(0) : bytes;
    return alt ? Uint8Array.of(0x1b, ...body) : body;
  }

  // ---- clipboard ----

  get hasSelection(): boolean {
    return this.term.hasSelection();
  }

  async copy(say = true): Promise<void> {
    const text = this.term.getSelection();
    if (text === '') return;
    try {
      await navigator.clipboard.writeText(text);
      if (say) announce(t('term.copied'));
    } catch {
      toast(t('term.copy.failed'), 'warn');
    }
  }

  async pasteClipboard(): Promise<void> {
    try {
      await this.paste(await navigator.clipboard.readText());
    } catch {
      toast(t('term.paste.failed'), 'warn');
    }
  }

  private nativePaste(event: ClipboardEvent): void {
    event.preventDefault();
    event.stopImmediatePropagation();
    void this.paste(event.clipboardData?.getData('text/plain') ?? '');
  }

  /** False: the person said no, or it did not get there as a whole. */
  async paste(text: string): Promise<boolean> {
    if (text === '') return false;
    const bracketed = this.term.modes.bracketedPasteMode;
    if (asksFirst(text, bracketed, settings.pasteWarn) && !(await confirmPaste(text))) {
      this.focus();
      return false;
    }
    const bytes = utf8.encode(prepared(text, bracketed));
    this.focus();
    this.owner.typed(this, bytes);
    if (bytes.length >= PROGRESS_BYTES && this.link?.isOpen && !this.pasting) return this.pasteLong(bytes, bracketed);
    return this.type(bytes);
  }

  private async pasteLong(bytes: Uint8Array, bracketed: boolean): Promise<boolean> {
    let stopped = false;
    const after: Uint8Array[] = [];
    this.pasting = { after, stop: () => (stopped = true) };
    const meter = h('progress', { max: bytes.length, value: 0, 'aria-label': t('term.pasting') }) as HTMLProgressElement;
    const stop = h('button', { type: 'button', class: 'button', on: { click: () => (stopped = true) } }, t('base.cancel'));
    const box = h('div', { class: 'pasting', role: 'status' }, h('span', {}, t('term.pasting')), meter, stop);
    this.root.append(box);
    const whole = await this.link?.sendAll(bytes, (sent) => (meter.value = sent), () => stopped);
    box.remove();
    this.pasting = null;
    if (!whole && !stopped) toast(t('term.paste.broken'), 'danger');
    // Without its end, the host would take every key that follows for a part of it.
    if (!whole && bracketed) this.type(utf8.encode(PASTE_END));
    for (const typed of after) this.type(typed);
    return whole === true;
  }

  private rightClick(event: MouseEvent): void {
    // A program that wants the mouse gets it; Shift always gives the page's own.
    if (this.term.modes.mouseTrackingMode !== 'none' && !event.shiftKey) return event.preventDefault();
    if (settings.rightClick === 'menu') return;
    event.preventDefault();
    if (settings.rightClick === 'copy-or-paste' && this.term.hasSelection()) void this.copy().then(() => this.term.clearSelection());
    else void this.pasteClipboard();
  }

  /** OSC 52: writing only, and only where the owner of the host allowed it; reading never (H10). */
  private clipboardRequest(data: string): boolean {
    const body = data.slice(data.indexOf(';') + 1);
    if (body === '?' || body.length > OSC52_BYTES) return true;
    if (!this.goal.osc52) {
      toast(t('term.osc52.refused', { host: this.title }), 'warn');
      return true;
    }
    try {
      const text = new TextDecoder().decode(Uint8Array.from(atob(body), (c) => c.charCodeAt(0)));
      void navigator.clipboard.writeText(text).then(() => toast(t('term.osc52.copied', { host: this.title })), () => toast(t('term.copy.failed'), 'warn'));
    } catch {
      // Not Base64: nothing to copy.
    }
    return true;
  }

  openFind(): void {
    this.find.open();
  }
}

function options(from: Settings): Record<string, unknown> {
  return {
    fontFamily: "ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace",
    fontSize: from.fontSize, lineHeight: from.lineHeight, cursorStyle: from.cursorStyle, cursorBlink: from.cursorBlink, scrollback: from.scrollback,
    screenReaderMode: from.screenReader, theme: currentTheme(), minimumContrastRatio: from.termTheme === 'contrast' || from.theme === 'contrast' ? 7 : 1,
    macOptionIsMeta: true, rightClickSelectsWord: false,
  };
}

function follow(uri: string): void {
  if (/^https?:\/\//i.test(uri)) window.open(uri, '_blank', 'noopener,noreferrer');
}

/** OSC 8: the text may say one thing and the link another, so the link itself is shown first. */
async function followHidden(uri: string): Promise<void> {
  if (!/^https?:\/\//i.test(uri)) return toast(t('term.link.refused'), 'warn');
  const body = h('div', {}, h('p', { class: 'dialog-text' }, t('term.link.text')), h('pre', { class: 'link-shown', tabindex: '0' }, uri.slice(0, 2000)));
  const yes = await openDialog({ title: t('term.link'), body, actions: [{ label: t('base.cancel') }, { label: t('term.link.open'), kind: 'primary', value: 'yes' }] });
  if (yes) follow(uri);
}

async function confirmPaste(text: string): Promise<boolean> {
  const { lines, characters } = counts(text);
  const body = h('div', { class: 'paste-preview' }, h('p', { class: 'dialog-text' }, t('term.paste.text', { lines, characters })), h('pre', { tabindex: '0' }, preview(text)));
  const yes = await openDialog({ title: t('term.paste.title'), body, wide: true, actions: [{ label: t('base.cancel') }, { label: t('term.paste.do'), kind: 'primary', value: 'yes' }] });
  return yes === 'yes';
}

let audio: AudioContext | null = null;

function beep(): void {
  audio ??= new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = 660;
  volume.gain.value = 0.08;
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.09);
}
