// Dialogs on the browser's own <dialog>: it keeps the focus inside and the rest of the page inert.

import { h, icon } from './dom';
import { leadBack } from './late';
import { t } from './text';

export interface Action<V extends string = string> {
  label: string;
  kind?: 'primary' | 'danger';
  /** What the dialog answers; without one it answers null, as Escape does. */
  value?: V;
  /** Does the work; the dialog closes only when it answers true. */
  submit?: () => Promise<boolean> | boolean;
}

export interface DialogOptions<V extends string = string> {
  title: string;
  body: HTMLElement;
  actions: Action<V>[];
  wide?: boolean;
  /** For questions about danger: a screen reader reads the whole text at once. */
  alert?: boolean;
}

let made = 0;

/** What ends each dialog that is open. */
const opened = new Set<() => void>();

/** Whoever is not signed in any more has nothing to decide here; the sign-in page must not lie under a dialog. */
export function closeDialogs(): void {
  for (const close of [...opened].reverse()) close();
}

export function openDialog<V extends string = string>(options: DialogOptions<V>): Promise<V | null> {
  const before = document.activeElement;
  return new Promise((resolve) => {
    const close = (value: V | null): void => {
      // What a button sent may be answered after the dialog was given up.
      if (!opened.delete(giveUp)) return;
      dialog.close();
      dialog.remove();
      leadBack(before);
      resolve(value);
    };
    const giveUp = (): void => close(null);
    const buttons = options.actions.map((action) => actionButton(action, close));
    const dialog = build(options, buttons, close);
    document.body.append(dialog);
    dialog.showModal();
    opened.add(giveUp);
    firstFocus(dialog, options, buttons);
  });
}

function build<V extends string>(options: DialogOptions<V>, buttons: HTMLElement[], close: (value: V | null) => void): HTMLDialogElement {
  const id = `dialog-${++made}`;
  const bodyId = `${id}-body`;
  const closing = h('button', { type: 'button', class: 'button quiet icon-only', 'aria-label': t('base.close'), on: { click: () => close(null) } }, icon('close'));
  const dialog = h(
    'dialog',
    { class: options.wide ? 'dialog wide' : 'dialog', 'aria-labelledby': id, role: options.alert ? 'alertdialog' : null, 'aria-describedby': options.alert ? bodyId : null },
    h('header', { class: 'dialog-head' }, h('h2', { id }, options.title), closing),
    h('div', { class: 'dialog-body', id: bodyId }, options.body),
    h('footer', { class: 'dialog-actions' }, ...buttons),
  ) as HTMLDialogElement;
  // Enter in a field of a form does what the primary button does; a form needs a submit button for that.
  if (options.body instanceof HTMLFormElement) options.body.append(h('button', { type: 'submit', hidden: true, tabindex: '-1' }));
  options.body.addEventListener('submit', (event) => {
    event.preventDefault();
    buttons[options.actions.findIndex((action) => action.kind === 'primary')]?.click();
  });
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault();
    close(null);
  });
  return dialog;
}

function actionButton<V extends string>(action: Action<V>, close: (value: V | null) => void): HTMLButtonElement {
  const button = h('button', { type: 'button', class: `button ${action.kind ?? ''}`.trim() }, action.label) as HTMLButtonElement;
  button.addEventListener('click', () => void press());
  return button;

  async function press(): Promise<void> {
    if (button.disabled) return;
    button.disabled = true;
    button.classList.add('busy');
    try {
      if (!action.submit || (await action.submit())) close(action.value ?? null);
    } finally {
      button.disabled = false;
      button.classList.remove('busy');
    }
  }
}

/** The first field, else the primary button; where an answer destroys something, the one that changes nothing, so that an Enter that was
 * meant for something else destroys nothing. Never the closing cross, which says nothing. */
function firstFocus<V extends string>(dialog: HTMLDialogElement, options: DialogOptions<V>, buttons: HTMLElement[]): void {
  const fields = dialog.querySelectorAll<HTMLElement>('.dialog-body :is(input, select, textarea, button):not([type="hidden"], [tabindex="-1"], [hidden], :disabled)');
  const at = (fits: (action: Action<V>) => boolean): HTMLElement | undefined => buttons[options.actions.findIndex(fits)];
  const destroys = options.actions.some((action) => action.kind === 'danger');
  (fields[0] ?? at((action) => (destroys ? action.value === undefined : action.kind === 'primary')) ?? buttons[0])?.focus();
}

export async function confirmDanger(options: { title: string; text: string; action: string }): Promise<boolean> {
  const body = h('p', { class: 'dialog-text' }, options.text);
  const value = await openDialog({ title: options.title, body, alert: true, actions: [{ label: t('base.cancel') }, { label: options.action, kind: 'danger', value: 'yes' }] });
  return value === 'yes';
}
