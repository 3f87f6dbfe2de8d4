// The rows of the start page. Each has one big button that goes there, and small ones behind it.

import { h, icon } from '../base/dom';
import { t } from '../base/text';
import type { Credential, Host, Session } from '../base/types';
import { agoText, countText, hostDot, iconButton } from './common';
import { hostPlace, hostTitle } from './hostlist';
import type { Quick } from './quick';
import { placeText } from './quick';

function main(focus: string, name: string, click: () => void, ...inside: (HTMLElement | null)[]): HTMLElement {
  return h('button', { type: 'button', class: 'row-main', 'data-focus': focus, 'data-name': name, on: { click } }, ...inside);
}

/** Shown where Enter would act: on the first row of a search and on the row with the focus. */
function enterHint(): HTMLElement {
  return h('kbd', { class: 'enter-hint', 'aria-hidden': 'true' }, t('start.enter'));
}

export interface HostActions {
  connect(): void;
  favourite(): void;
  menu(button: HTMLElement): void;
  tag(tag: string): void;
}

export function hostRow(host: Host, actions: HostActions): HTMLElement {
  const name = hostTitle(host);
  const star = iconButton(host.favourite ? 'star-filled' : 'star', t('start.favourite.of', { name }), () => actions.favourite(), host.favourite ? 'star on' : 'star');
  star.setAttribute('aria-pressed', String(host.favourite));
  star.dataset['focus'] = `star-${host.id}`;
  const menu = iconButton('more', t('start.menu.of', { name }), () => actions.menu(menu));
  menu.setAttribute('aria-haspopup', 'menu');
  menu.dataset['focus'] = `menu-${host.id}`;
  const text = h(
    'span',
    { class: 'row-text' },
    h('span', { class: 'row-title' }, name),
    h('span', { class: 'row-sub' }, h('span', { class: 'mono' }, host.label ? hostPlace(host) : ''), host.notes ? h('span', { class: 'note', title: host.notes }, host.notes.split('\n')[0] ?? '') : null),
  );
  return h(
    'li',
    { class: 'list-row host-row' },
    main(`host-${host.id}`, name, () => actions.connect(), hostDot(host), text, enterHint()),
    host.tags.length === 0 ? null : h('span', { class: 'row-tags' }, ...host.tags.slice(0, 3).map((tag) => h('button', { type: 'button', class: 'chip small', tabindex: '-1', title: t('start.tags.only', { tag }), on: { click: () => actions.tag(tag) } }, tag))),
    h('span', { class: 'row-when' }, host.last_used === null ? '' : agoText(host.last_used)),
    star,
    menu,
  );
}

export interface LiveActions {
  attach(): void;
  end(): void;
}

export function liveRow(session: Session, host: Host | undefined, actions: LiveActions): HTMLElement {
  const name = host ? hostTitle(host) : session.title;
  const end = iconButton('close', t('start.end.of', { name }), () => actions.end());
  end.dataset['focus'] = `end-${session.id}`;
  const place = `${session.user}@${placeText(session.address, session.port)}`;
  return h(
    'li',
    { class: 'list-row live-row' },
    main(
      `live-${session.id}`,
      name,
      () => actions.attach(),
      hostDot({ colour: host?.colour ?? '' }, 'terminal'),
      h(
        'span',
        { class: 'row-text' },
        h('span', { class: 'row-title' }, h('span', {}, name), h('span', { class: 'badge state', 'data-state': session.state }, t(`start.state.${session.state}`))),
        h('span', { class: 'row-sub' }, name === place ? null : h('span', { class: 'mono' }, place), h('span', {}, t('start.live.since', { ago: agoText(session.started) })), h('span', {}, viewersText(session.viewers))),
      ),
      enterHint(),
    ),
    end,
  );
}

function viewersText(viewers: number): string {
  return viewers === 0 ? t('start.viewers.none') : countText('start.viewers', viewers);
}

export interface QuickActions {
  connect(): void;
  choose(credential: string): void;
  save(): void;
}

export function quickRow(quick: Quick, credentials: Credential[], chosen: string, actions: QuickActions): HTMLElement {
  const place = hostPlace(quick);
  const select = h(
    'select',
    { class: 'quick-credential', 'aria-label': t('start.host.credential'), 'data-focus': 'quick-credential' },
    h('option', { value: '' }, t('start.host.credential.ask')),
    ...credentials.map((one) => h('option', { value: one.id }, one.label || t('start.keys.unnamed'))),
  ) as HTMLSelectElement;
  select.value = credentials.some((one) => one.id === chosen) ? chosen : '';
  select.addEventListener('change', () => actions.choose(select.value));
  return h(
    'li',
    { class: 'list-row quick-row' },
    main('quick', place, () => actions.connect(), hostDot({ colour: '' }, 'link'), h('span', { class: 'row-text' }, h('span', { class: 'row-title' }, t('start.quick.connect', { place })), h('span', { class: 'row-sub' }, t('start.quick.text'))), enterHint()),
    select,
    h('button', { type: 'button', class: 'button', 'data-focus': 'quick-save', on: { click: () => actions.save() } }, icon('plus'), h('span', {}, t('start.quick.save'))),
  );
}
