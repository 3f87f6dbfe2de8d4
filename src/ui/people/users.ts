// For administrators: who may sign in, what they may do, and invitations that are out.

import { confirmDanger, openDialog } from '../base/dialog';
import { here } from '../base/api';
import { h, icon } from '../base/dom';
import { t } from '../base/text';
import { type MenuItem, copyBox, countText, fetched, iconButton, openMenu, orToast } from '../start/common';
import { openBackup } from './backup';
import { type Invite, type Person, ROLES, type Role, box } from './box';
import { inviteLink } from './link';
import { onePress, said, timeText, withProof, wordText } from './parts';
import { openUpdate } from './update';

export async function openUsers(self: string): Promise<void> {
  const people = fetched(box.people, (all, refresh) => h('ul', { class: 'rows' }, ...all.map((one) => personRow(one, self, refresh))));
  const invites = fetched(box.invites, inviteList);
  const invite = h('button', { type: 'button', class: 'button primary', on: { click: onePress(() => makeInvite().then((made) => made && invites.refresh())) } }, icon('plus'), t('people.invites.make'));
  const backup = h('button', { type: 'button', class: 'button', on: { click: onePress(openBackup) } }, icon('import'), t('people.backup.title'));
  const update = h('button', { type: 'button', class: 'button', on: { click: onePress(openUpdate) } }, icon('import'), t('people.update.title'));
  const body = h(
    'div',
    { class: 'keys' },
    h('p', { class: 'dialog-lead' }, t('people.users.lead')),
    h('div', { class: 'toolbar' }, invite, backup, update),
    people.root,
    h('section', { class: 'account-part', 'aria-label': t('people.invites') }, h('h3', {}, t('people.invites')), invites.root),
  );
  await openDialog({ title: t('action.users'), body, wide: true, actions: [{ label: t('start.close') }] });
}

function personRow(one: Person, self: string, refresh: () => void): HTMLElement {
  const menu = iconButton('more', t('start.menu.of', { name: one.name }), () => openMenu(menu, one.name, personMenu(one, self, refresh)));
  menu.setAttribute('aria-haspopup', 'menu');
  const badges = [one.id === self && 'self', one.disabled && 'disabled', one.locked && 'locked'].filter((name) => name !== false);
  return h(
    'li',
    { class: 'list-row key-row person' },
    h('span', { class: 'row-icon', 'aria-hidden': 'true' }, icon('user')),
    h(
      'div',
      { class: 'row-text' },
      h('div', { class: 'row-title' }, one.name, ...badges.map((name) => h('span', { class: `badge person-${name}` }, t(`people.users.${name}`)))),
      h('div', { class: 'row-sub' }, h('span', {}, wordText('people.role', one.role)), h('span', {}, t(one.factor ? 'people.users.factor' : 'people.users.no-factor')), h('span', {}, countText('people.users.sign-ins', one.sign_ins)), h('span', {}, countText('people.users.terminals', one.terminals))),
    ),
    menu,
  );
}

function personMenu(one: Person, self: string, refresh: () => void): MenuItem[] {
  const run = (work: () => Promise<boolean>): (() => void) => () => void orToast(async () => {
    if (await work()) refresh();
  });
  const items: (MenuItem | false)[] = [
    { label: t('people.users.role'), icon: 'key', run: run(() => changeRole(one)) },
    one.locked && { label: t('people.users.unlock'), icon: 'lock', run: run(() => unlock(one)) },
    one.factor && { label: t('people.users.reset-factor'), icon: 'keyboard', run: run(() => resetFactor(one)) },
    one.disabled ? { label: t('people.users.enable'), icon: 'check', run: run(() => enable(one)) } : one.id !== self && { label: t('people.users.disable'), icon: 'close', run: run(() => disable(one)) },
    one.id !== self && { label: t('start.delete'), icon: 'trash', danger: true, run: run(() => remove(one)) },
  ];
  return items.filter((item) => item !== false);
}

function roleChoice(chosen: Role): { root: HTMLElement; role: () => Role } {
  const root = h('fieldset', { class: 'ways' }, h('legend', {}, t('people.users.role.legend')), ...ROLES.map((role) => h('label', { class: 'way' }, h('input', { type: 'radio', name: 'role', value: role, checked: role === chosen }), h('span', {}, h('strong', {}, t(`people.role.${role}`)), h('span', { class: 'hint' }, t(`people.role.${role}.text`))))));
  return { root, role: () => (root.querySelector<HTMLInputElement>(':checked')?.value ?? chosen) as Role };
}

async function askRole(title: string, lead: string, chosen: Role, action: string): Promise<Role | null> {
  const choice = roleChoice(chosen);
  const form = h('form', { class: 'form' }, h('p', { class: 'dialog-lead' }, lead), choice.root);
  const value = await openDialog({ title, body: form, actions: [{ label: t('start.cancel') }, { label: action, kind: 'primary', value: 'done' }] });
  return value === 'done' ? choice.role() : null;
}

async function changeRole(one: Person): Promise<boolean> {
  const role = await askRole(t('people.users.role.of', { name: one.name }), t('people.users.role.lead'), one.role, t('start.save'));
  if (role === null || role === one.role) return false;
  if (role !== 'administrator') await box.changePerson(one.id, { role });
  else if (!(await withProof(t('people.users.role.of', { name: one.name }), t('people.proof.administrator'), t('start.save'), false, (proof) => box.changePerson(one.id, { role, proof })))) return false;
  said(t('start.saved', { name: one.name }));
  return true;
}

async function unlock(one: Person): Promise<boolean> {
  await box.unlock(one.id);
  said(t('people.users.unlocked', { name: one.name }));
  return true;
}

async function resetFactor(one: Person): Promise<boolean> {
  const done = await withProof(t('people.users.reset-factor.of', { name: one.name }), t('people.users.reset-factor.text'), t('people.users.reset-factor'), true, (proof) => box.resetFactor(one.id, { proof }));
  if (done) said(t('people.users.factor-reset', { name: one.name }));
  return done !== null;
}

async function disable(one: Person): Promise<boolean> {
  if (!(await confirmDanger({ title: t('people.users.disable.of', { name: one.name }), text: t('people.users.disable.text'), action: t('people.users.disable') }))) return false;
  await box.changePerson(one.id, { disabled: true });
  said(t('people.users.is-disabled', { name: one.name }));
  return true;
}

async function enable(one: Person): Promise<boolean> {
  if (one.role !== 'administrator') await box.changePerson(one.id, { disabled: false });
  else if (!(await withProof(t('people.users.enable.of', { name: one.name }), t('people.proof.administrator'), t('people.users.enable'), false, (proof) => box.changePerson(one.id, { disabled: false, proof })))) return false;
  said(t('people.users.is-enabled', { name: one.name }));
  return true;
}

async function remove(one: Person): Promise<boolean> {
  const deed = (proof: string): Promise<void> => box.removePerson(one.id, proof);
  if (!(await withProof(t('people.users.delete.of', { name: one.name }), t('people.users.delete.text'), t('start.delete'), true, deed))) return false;
  said(t('start.deleted', { name: one.name }));
  return true;
}

// ---- invitations ----

function inviteList(all: Invite[], refresh: () => void): HTMLElement {
  if (all.length === 0) return h('p', { class: 'hint' }, t('people.invites.none'));
  return h('ul', { class: 'rows' }, ...all.map((one) => inviteRow(one, refresh)));
}

function inviteRow(one: Invite, refresh: () => void): HTMLElement {
  const back = onePress(() => orToast(async () => {
    await box.takeBack(one.id);
    said(t('people.invites.taken-back'));
    refresh();
  }));
  return h(
    'li',
    { class: 'list-row key-row' },
    h('span', { class: 'row-icon', 'aria-hidden': 'true' }, icon('link')),
    h('div', { class: 'row-text' }, h('div', { class: 'row-title' }, wordText('people.role', one.role)), h('div', { class: 'row-sub' }, h('span', {}, t('people.invites.by', { name: one.by })), h('span', {}, t('people.invites.until', { time: timeText(one.expires) })))),
    iconButton('trash', t('people.invites.take-back'), back),
  );
}

async function makeInvite(): Promise<boolean> {
  const role = await askRole(t('people.invites.make'), t('people.invites.lead'), 'user', t('people.invites.submit'));
  if (role === null) return false;
  let made: { token: string; expires: number } | null = null;
  await orToast(async () => {
    if (role !== 'administrator') made = await box.invite(role, {});
    else made = (await withProof(t('people.invites.make'), t('people.proof.administrator'), t('people.invites.submit'), false, (proof) => box.invite(role, { proof })))?.done ?? null;
  });
  if (made) await showLink(made);
  return made !== null;
}

async function showLink(made: { token: string; expires: number }): Promise<void> {
  const body = h('div', { class: 'public-key' }, h('p', { class: 'dialog-lead' }, t('people.invites.link.lead', { time: timeText(made.expires) })), copyBox(t('people.invites.link'), inviteLink(here('/'), made.token)), h('p', { class: 'hint' }, t('people.invites.link.hint')));
  await openDialog({ title: t('people.invites.link'), body, wide: true, actions: [{ label: t('start.done'), kind: 'primary', value: 'done' }] });
}
