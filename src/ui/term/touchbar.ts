// The phone's keys: what a soft keyboard lacks, and a line to compose in before it is sent (T3).

import { h, icon } from '../base/dom';
import { onSettings, settings } from '../base/settings';
import { t } from '../base/text';
import type { Pane } from './pane';

interface Key {
  label: string;
  /** What it is called, in the catalogue. */
  name: string;
  /** What is sent; with the cursor keys in application mode, `application` instead. */
  text: string;
  application?: string;
}

const KEYS: Key[] = [
  { label: 'Esc', name: 'touch.key.escape', text: '\x1b' },
  { label: 'Tab', name: 'touch.key.tab', text: '\t' },
  { label: '←', name: 'touch.key.left', text: '\x1b[D', application: '\x1bOD' },
  { label: '↓', name: 'touch.key.down', text: '\x1b[B', application: '\x1bOB' },
  { label: '↑', name: 'touch.key.up', text: '\x1b[A', application: '\x1bOA' },
  { label: '→', name: 'touch.key.right', text: '\x1b[C', application: '\x1bOC' },
  { label: 'Home', name: 'touch.key.home', text: '\x1b[H', application: '\x1bOH' },
  { label: 'End', name: 'touch.key.end', text: '\x1b[F', application: '\x1bOF' },
  { label: 'PgUp', name: 'touch.key.pageup', text: '\x1b[5~' },
  { label: 'PgDn', name: 'touch.key.pagedown', text: '\x1b[6~' },
];

export class TouchBar {
  readonly root = h('div', { class: 'touch-bar' });
  private readonly row = h('div', { class: 'touch-keys', role: 'toolbar', 'aria-label': t('touch.bar') });
  private readonly compose: HTMLElement;
  private readonly line: HTMLTextAreaElement;
  private ctrl!: HTMLElement;
  private alt!: HTMLElement;

  constructor(private readonly pane: () => Pane | null) {
    this.line = h('textarea', { rows: '1', 'aria-label': t('touch.compose'), placeholder: t('touch.compose'), autocapitalize: 'none', autocomplete: 'off', spellcheck: 'false' }) as HTMLTextAreaElement;
    this.compose = h('div', { class: 'compose', hidden: true }, this.line, h('button', { type: 'button', class: 'button primary', on: { click: () => void this.sendLine() } }, t('touch.send')));
    this.root.append(this.compose, this.row);
    this.fill();
    onSettings(() => this.fill());
    // The visual viewport is what is left above the soft keyboard.
    const viewport = window.visualViewport;
    const follow = (): void => document.documentElement.style.setProperty('--visible-height', `${viewport?.height ?? window.innerHeight}px`);
    viewport?.addEventListener('resize', follow);
    follow();
  }

  /** Shows which modifiers wait for the next key. */
  refresh(): void {
    const { ctrl, alt } = this.pane()?.sticky ?? { ctrl: false, alt: false };
    this.ctrl.setAttribute('aria-pressed', String(ctrl));
    this.alt.setAttribute('aria-pressed', String(alt));
  }

  private fill(): void {
    this.ctrl = this.button('Ctrl', t('touch.key.ctrl'), () => this.stick('ctrl'));
    this.alt = this.button('Alt', t('touch.key.alt'), () => this.stick('alt'));
    const [escape, tab, ...rest] = KEYS.map((key) => this.button(key.label, t(key.name), () => this.press(key)));
    const extras = settings.extraKeys.map((text) => this.button(text, text, () => this.pane()?.press(text)));
    const more = [
      this.iconButton('edit', t('touch.compose'), () => this.toggleCompose()),
      this.iconButton('copy', t('touch.copy'), () => void this.pane()?.copy()),
      this.iconButton('import', t('touch.paste'), () => void this.pane()?.pasteClipboard()),
    ];
    this.row.replaceChildren(...[escape, tab, this.ctrl, this.alt, ...rest, ...extras, ...more].filter((one) => one !== undefined));
    this.refresh();
  }

  /** The soft keyboard must not go away when a key of ours is touched: the focus stays in the terminal. */
  private button(label: string, name: string, run: () => void): HTMLElement {
    const made = h('button', { type: 'button', class: 'touch-key', 'aria-label': name }, label);
    made.addEventListener('pointerdown', (event) => event.preventDefault());
    made.addEventListener('click', run);
    return made;
  }

  private iconButton(name: Parameters<typeof icon>[0], label: string, run: () => void): HTMLElement {
    const made = this.button('', label, run);
    made.append(icon(name));
    return made;
  }

  private press(key: Key): void {
    const pane = this.pane();
    if (!pane) return;
    const application = pane.term.modes.applicationCursorKeysMode && key.application !== undefined;
    pane.press(application ? (key.application ?? key.text) : key.text);
  }

  private stick(modifier: 'ctrl' | 'alt'): void {
    const pane = this.pane();
    if (!pane) return;
    pane.sticky[modifier] = !pane.sticky[modifier];
    this.refresh();
    pane.term.focus();
  }

  private toggleCompose(): void {
    this.compose.hidden = !this.compose.hidden;
    if (this.compose.hidden) this.pane()?.focus();
    else this.line.focus();
  }

  /** As a paste: the shell sees one text, and Return is sent by itself at the end. */
  private async sendLine(): Promise<void> {
    const pane = this.pane();
    const text = this.line.value;
    if (!pane || text === '') return;
    if (!(await pane.paste(text))) return;
    pane.press('\r');
    this.line.value = '';
  }
}
