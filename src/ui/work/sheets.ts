// Settings, the list of keys, and the question at sign-out.

import { api } from '../base/api';
import { openDialog } from '../base/dialog';
import { h } from '../base/dom';
import { DEFAULTS, type Settings, change, settings } from '../base/settings';
import { t } from '../base/text';
import { THEMES } from '../term/themes';
import { ACTIONS, type ActionId, chord, keysOf, shownKeys } from './actions';

type Choice = [value: string, label: string];

let made = 0;

function row(label: string, control: HTMLElement, hint = ''): HTMLElement {
  const id = `setting-${++made}`;
  control.id = id;
  return h('div', { class: 'setting' }, h('label', { for: id }, label), control, hint === '' ? null : h('p', { class: 'hint' }, hint));
}

function select<K extends keyof Settings>(name: K, choices: Choice[]): HTMLElement {
  const list = h('select', {}, ...choices.map(([value, label]) => h('option', { value, selected: String(settings[name]) === value }, label))) as HTMLSelectElement;
  list.addEventListener('change', () => change({ [name]: list.value } as Partial<Settings>));
  return list;
}

function range(name: 'fontSize' | 'lineHeight' | 'scrollback', from: number, to: number, step: number): HTMLElement {
  const input = h('input', { type: 'number', min: from, max: to, step, value: settings[name], inputmode: 'decimal' }) as HTMLInputElement;
  input.addEventListener('change', () => {
    const value = Math.min(to, Math.max(from, Number(input.value) || DEFAULTS[name]));
    input.value = String(value);
    change({ [name]: value });
  });
  return input;
}

function toggle(name: 'cursorBlink' | 'copyOnSelect' | 'pasteWarn' | 'screenReader'): HTMLElement {
  const box = h('input', { type: 'checkbox', checked: settings[name] }) as HTMLInputElement;
  box.addEventListener('change', () => change({ [name]: box.checked }));
  return box;
}

export async function openSettings(): Promise<void> {
  const extras = h('input', { type: 'text', value: settings.extraKeys.join(' '), autocapitalize: 'none', spellcheck: 'false' }) as HTMLInputElement;
  extras.addEventListener('change', () => change({ extraKeys: extras.value.split(/\s+/).filter((one) => one !== '').slice(0, 16) }));
  const body = h(
    'div',
    { class: 'settings' },
    h('h3', {}, t('settings.page')),
    row(t('settings.theme'), select('theme', [['system', t('settings.theme.system')], ['dark', t('settings.theme.dark')], ['light', t('settings.theme.light')], ['contrast', t('settings.theme.contrast')]])),
    row(t('settings.language'), select('language', [['', t('settings.language.browser')], ['en', 'English'], ['de', 'Deutsch']]), t('settings.language.hint')),
    row(t('settings.screenReader'), toggle('screenReader'), t('settings.screenReader.hint')),
    h('h3', {}, t('settings.terminal')),
    row(t('settings.termTheme'), select('termTheme', [['match', t('settings.termTheme.match')], ...Object.keys(THEMES).map((name): Choice => [name, name[0]?.toUpperCase() + name.slice(1)])])),
    row(t('settings.fontSize'), range('fontSize', 8, 32, 1)),
    row(t('settings.lineHeight'), range('lineHeight', 1, 2, 0.05)),
    row(t('settings.cursorStyle'), select('cursorStyle', [['block', t('settings.cursor.block')], ['bar', t('settings.cursor.bar')], ['underline', t('settings.cursor.underline')]])),
    row(t('settings.cursorBlink'), toggle('cursorBlink')),
    row(t('settings.bell'), select('bell', [['none', t('settings.bell.none')], ['visual', t('settings.bell.visual')], ['sound', t('settings.bell.sound')]])),
    row(t('settings.scrollback'), range('scrollback', 0, 100_000, 500)),
    h('h3', {}, t('settings.clipboard')),
    row(t('settings.copyOnSelect'), toggle('copyOnSelect')),
    row(t('settings.pasteWarn'), toggle('pasteWarn')),
    row(t('settings.rightClick'), select('rightClick', [['copy-or-paste', t('settings.rightClick.both')], ['paste', t('settings.rightClick.paste')], ['menu', t('settings.rightClick.menu')]])),
    row(t('settings.extraKeys'), extras, t('settings.extraKeys.hint')),
  );
  await openDialog({ title: t('settings.title'), body, wide: true, actions: [{ label: t('work.done'), kind: 'primary' }] });
}

/** Every action with its keys; each can be given others. */
export async function openHelp(): Promise<void> {
  const rows = ACTIONS.map(({ id }) => helpRow(id));
  const fixed: [string, string][] = [
    ['Ctrl+C', t('help.ctrl-c')], ['Ctrl+Alt+W / T / N / Q', t('help.stolen')], ['Alt+1 … 9', t('help.tab-number')], ['Enter', t('help.enter')], ['/', t('help.search')], ['?', t('help.help')],
  ];
  const body = h(
    'div',
    { class: 'help' },
    h('p', { class: 'dialog-text' }, t('help.text')),
    h('table', {}, h('caption', { class: 'visually-hidden' }, t('help.title')), h('tbody', {}, ...rows, ...fixed.map(([keys, what]) => h('tr', {}, h('th', { scope: 'row' }, what), h('td', {}, h('kbd', {}, shownKeys(keys))))))),
  );
  await openDialog({ title: t('help.title'), body, wide: true, actions: [{ label: t('help.reset'), submit: reset }, { label: t('work.done'), kind: 'primary' }] });

  function reset(): boolean {
    change({ keys: {} });
    ACTIONS.forEach(({ id }, at) => rows[at]?.replaceWith((rows[at] = helpRow(id))));
    return false;
  }
}

function helpRow(id: ActionId): HTMLElement {
  const shown = (): string => keysOf(id) || t('help.none');
  const button = h('button', { type: 'button', class: 'key-button', 'aria-label': t('help.change', { action: t(`action.${id}`), keys: shown() }) }, h('kbd', {}, shown()));
  const show = (text: string): void => {
    const label = button.firstElementChild;
    if (label) label.textContent = text;
  };
  button.addEventListener('click', () => {
    show(t('help.press'));
    const take = (event: KeyboardEvent): void => {
      event.preventDefault();
      event.stopPropagation();
      const pressed = chord(event);
      if (pressed === null) return;
      button.removeEventListener('keydown', take, true);
      if (pressed !== 'Escape') change({ keys: { ...settings.keys, [id]: pressed === 'Backspace' || pressed === 'Delete' ? '' : pressed } });
      show(shown());
    };
    button.addEventListener('keydown', take, true);
    button.addEventListener('blur', () => {
      button.removeEventListener('keydown', take, true);
      show(shown());
    }, { once: true });
  });
  return h('tr', {}, h('th', { scope: 'row' }, t(`action.${id}`)), h('td', {}, button));
}

/** H6: what becomes of terminals that still run is the user's to say. */
export async function signOut(running: number): Promise<boolean> {
  const text = running === 0 ? t('signout.text') : t(running === 1 ? 'signout.text.one' : 'signout.text.many', { count: running });
  const leave = (terminals: 'keep' | 'end') => async (): Promise<boolean> => {
    await api.post('/api/logout', { terminals }).catch(() => undefined);
    return true;
  };
  const actions = running === 0
    ? [{ label: t('base.cancel') }, { label: t('signout.do'), kind: 'primary' as const, value: 'out', submit: leave('keep') }]
    : [{ label: t('base.cancel') }, { label: t('signout.end'), kind: 'danger' as const, value: 'out', submit: leave('end') }, { label: t('signout.keep'), kind: 'primary' as const, value: 'out', submit: leave('keep') }];
  return (await openDialog({ title: t('signout.title'), body: h('p', { class: 'dialog-text' }, text), alert: true, actions })) === 'out';
}
