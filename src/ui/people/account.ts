// The user's own account: password, second factor, sign-ins, and what happened lately.

import { confirmDanger, openDialog } from '../base/dialog';
import { becomeTrusted } from '../base/device';
import { h, icon } from '../base/dom';
import { field } from '../base/forms';
import { t } from '../base/text';
import type { State, User } from '../base/types';
import { agoText, copyBox, countText, fetched, iconButton, orToast } from '../start/common';
import { openAccount as openPassword } from '../start/account';
import { type AuditEvent, type Certificates, type Enrolment, type Devices, type Factor, type Login, type Passkey, type Standing, box } from './box';
import { deviceName } from './device';
import { hindrance, makePasskey } from './passkey';
import { onePress, said, showCodes, timeText, withFirstCode, withProof, wordText } from './parts';
import { scan } from './stage';

export async function openAccount(state: State, { name, role }: User): Promise<void> {
  const logins = fetched(box.logins, (all, refresh) => loginList(all, refresh));
  const again = (): void => {
    factor.refresh();
    passkeys.refresh();
    devices.refresh();
    certificates.refresh();
    logins.refresh();
    activity.refresh();
  };
  const factor = fetched(box.factor, (one) => factorCard(one, name, again));
  const passkeys = fetched(box.passkeys, (all) => passkeyList(all, name, again));
  const devices = fetched(box.devices, (all) => deviceList(all, name, again));
  const certificates = fetched(box.certificates, (all) => certificateList(all, again));
  const activity = fetched(box.activity, activityList);
  const change = h('button', { type: 'button', class: 'button', on: { click: onePress(() => openPassword(state, name).then(again)) } }, icon('lock'), t('people.password.change'));
  const body = h(
    'div',
    { class: 'keys account' },
    h('p', { class: 'dialog-lead' }, t('people.account.lead', { name, role: wordText('people.role', role) })),
    section('people.password', change),
    section('people.factor', factor.root),
    section('people.passkeys', passkeys.root),
    section('people.devices', devices.root),
    section('people.certificates', certificates.root),
    section('people.logins', logins.root),
    section('people.activity', activity.root),
  );
  await openDialog({ title: t('action.account'), body, wide: true, actions: [{ label: t('start.close') }] });
}

function section(key: string, content: HTMLElement): HTMLElement {
  return h('section', { class: 'account-part', 'aria-label': t(key) }, h('h3', {}, t(key)), content);
}

// ---- the second factor ----

function factorCard(one: Factor, name: string, again: () => void): HTMLElement {
  const button = (key: string, kind: string, run: () => Promise<void>): HTMLElement => h('button', { type: 'button', class: `button ${kind}`.trim(), on: { click: onePress(() => orToast(run).then(again)) } }, t(key));
  if (!one.enrolled) {
    return h('div', { class: 'factor' }, h('p', {}, badge('off'), ' ', t('people.factor.off')), h('div', { class: 'toolbar' }, button('people.factor.on', 'primary', () => enrol(name, false))));
  }
  const low = one.recovery_left <= 3;
  return h(
    'div',
    { class: 'factor' },
    h('p', {}, badge('on'), ' ', t(one.app ? 'people.factor.have' : 'people.factor.have.passkey')),
    h('p', { class: low ? 'low' : 'hint' }, low ? icon('warn') : null, countText('people.factor.left', one.recovery_left)),
    h('div', { class: 'toolbar' }, button('people.factor.renew', '', () => renewCodes(name)), button(one.app ? 'people.factor.move' : 'people.factor.app', '', () => enrol(name, true)), one.required ? null : button('people.factor.disable', 'quiet', disable)),
  );
}

function badge(state: 'on' | 'off'): HTMLElement {
  return h('span', { class: `badge factor-${state}` }, t(`people.factor.badge.${state}`));
}

async function enrol(name: string, moving: boolean): Promise<void> {
  const begin = (proof: string, enrolled: boolean): Promise<Enrolment> => box.begin(standing(proof, enrolled));
  const begun = moving
    ? await withProof(t('people.factor.move'), t('people.factor.move.text'), t('people.next'), false, begin)
    : await withProof(t('people.enrol.title'), t('people.enrol.proof'), t('people.next'), false, begin);
  if (!begun) return;
  const finished = await withFirstCode(t('people.enrol.title'), scan(begun.done), t('people.enrol.submit'), box.finish);
  if (finished) await showCodes(finished.done.recovery_codes, name);
}

async function renewCodes(name: string): Promise<void> {
  const renewed = await withProof(t('people.factor.renew'), t('people.factor.renew.text'), t('people.factor.renew'), false, box.renewCodes);
  if (renewed) await showCodes(renewed.done, name);
}

async function disable(): Promise<void> {
  if (await withProof(t('people.factor.disable'), t('people.factor.disable.text'), t('people.factor.disable'), true, box.disable)) said(t('people.factor.disabled'));
}

/** In the words of docs/API.md. */
function standing(proof: string, enrolled: boolean): Standing {
  return enrolled ? { code: proof } : { proof };
}

/** What protects the account goes only with a proof, whoever sits here. False: thought better of it. */
async function removeProven(key: string, label: string, deed: (proof: string) => Promise<void>): Promise<boolean> {
  let done = false;
  await orToast(async () => {
    done = (await withProof(t(key, { label }), t(`${key}.text`), t('start.delete'), true, deed)) !== null;
  });
  return done;
}

// ---- passkeys ----

function passkeyList(all: Passkey[], name: string, again: () => void): HTMLElement {
  const why = hindrance();
  const add = h('button', { type: 'button', class: 'button', disabled: why !== null, on: { click: onePress(() => orToast(() => addPasskey(name)).then(again)) } }, icon('plus'), t('people.passkey.add'));
  const rows = all.map((one) => {
    const used = one.last_used === null ? t('people.passkey.unused') : t('people.logins.used', { ago: agoText(one.last_used) });
    const remove = iconButton('trash', t('people.passkey.remove', { label: one.label }), onePress(() => removePasskey(one).then((done) => done && again())));
    return h(
      'li',
      { class: 'list-row key-row' },
      h('span', { class: 'row-icon', 'aria-hidden': 'true' }, icon('key')),
      h('div', { class: 'row-text' }, h('div', { class: 'row-title' }, one.label), h('div', { class: 'row-sub' }, h('span', {}, one.host), h('span', {}, used))),
      remove,
    );
  });
  return h('div', { class: 'factor' }, rows.length === 0 ? h('p', { class: 'hint' }, t('people.passkey.none')) : h('ul', { class: 'rows' }, ...rows), why === null ? null : h('p', { class: 'hint' }, why), h('div', { class: 'toolbar' }, add));
}

async function addPasskey(name: string): Promise<void> {
  const label = field({ label: t('people.passkey.label'), name: 'label', value: deviceName(navigator.userAgent), required: true, autocomplete: 'off' });
  const deed = async (proof: string, enrolled: boolean): Promise<string[] | undefined> => {
    const made = await makePasskey(await box.wishPasskey(standing(proof, enrolled)));
    const { recovery_codes: codes } = await box.addPasskey(label.value.trim(), made);
    said(t('people.passkey.added', { label: label.value.trim() }));
    return codes;
  };
  const added = await withProof(t('people.passkey.add'), t('people.passkey.add.text'), t('people.passkey.add.do'), false, deed, label.root);
  if (added?.done) await showCodes(added.done, name);
}

function removePasskey(one: Passkey): Promise<boolean> {
  return removeProven('people.passkey.remove', one.label, (proof) => box.removePasskey(one.id, proof));
}

// ---- trusted devices ----

function deviceList(all: Devices, name: string, again: () => void): HTMLElement {
  const button = (key: string, run: () => Promise<unknown>): HTMLElement => h('button', { type: 'button', class: 'button', on: { click: onePress(() => orToast(async () => void (await run())).then(again)) } }, t(key));
  const trusted = all.devices.some((one) => one.current);
  const rows = all.devices.map((one) =>
    h(
      'li',
      { class: 'list-row key-row' },
      h('span', { class: 'row-icon', 'aria-hidden': 'true' }, icon('lock')),
      h('div', { class: 'row-text' }, h('div', { class: 'row-title' }, one.label), h('div', { class: 'row-sub' }, one.current ? h('span', {}, t('people.logins.this')) : null, h('span', {}, t('people.logins.used', { ago: agoText(one.last_used ?? one.created) })))),
      iconButton('trash', t('people.device.remove', { label: one.label }), onePress(() => removeDevice(one).then((done) => done && again()))),
    ),
  );
  return h(
    'div',
    { class: 'factor' },
    rows.length === 0 ? h('p', { class: 'hint' }, t('people.device.none')) : h('ul', { class: 'rows' }, ...rows),
    h('p', { class: 'hint' }, t(all.required ? 'people.device.demanded' : 'people.device.free')),
    h(
      'div',
      { class: 'toolbar' },
      trusted ? null : button('people.device.trust', () => trustThis(name)),
      trusted && !all.required ? button('people.device.demand', () => demand(true)) : null,
      all.required ? button('people.device.release', () => demand(false)) : null,
      all.required ? button('people.device.let-in', letIn) : null,
    ),
  );
}

function trustThis(name: string): Promise<unknown> {
  const deed = (proof: string): Promise<void> => becomeTrusted(name, deviceName(navigator.userAgent), (application) => box.trustDevice({ ...application, proof }));
  return withProof(t('people.device.trust'), t('people.device.trust.text'), t('people.device.trust.do'), false, deed);
}

function demand(required: boolean): Promise<unknown> {
  const key = required ? 'people.device.demand' : 'people.device.release';
  return withProof(t(key), t(`${key}.text`), t('people.device.do'), false, (proof) => box.demandDevice(required, proof));
}

async function letIn(): Promise<void> {
  const made = await withProof(t('people.device.let-in'), t('people.device.let-in.text'), t('people.next'), false, box.deviceCode);
  if (made) await openDialog({ title: t('people.device.let-in'), body: h('div', {}, h('p', { class: 'dialog-lead' }, t('people.device.let-in.code', { time: timeText(made.done.expires) })), copyBox(t('people.device.code'), made.done.code)), actions: [{ label: t('start.done'), kind: 'primary' }] });
}

function removeDevice(one: Devices['devices'][number]): Promise<boolean> {
  return removeProven('people.device.remove', one.label, (proof) => box.removeDevice(one.id, proof));
}

// ---- certificates ----

function certificateList(all: Certificates, again: () => void): HTMLElement {
  const button = (key: string, run: () => Promise<unknown>): HTMLElement => h('button', { type: 'button', class: 'button', on: { click: onePress(() => orToast(async () => void (await run())).then(again)) } }, t(key));
  const bound = all.certificates.some((one) => one.current);
  const known = all.certificates.some((one) => one.fingerprint === all.shown);
  const rows = all.certificates.map((one) =>
    h(
      'li',
      { class: 'list-row key-row' },
      h('span', { class: 'row-icon', 'aria-hidden': 'true' }, icon('lock')),
      h('div', { class: 'row-text' }, h('div', { class: 'row-title', title: one.fingerprint }, one.label), h('div', { class: 'row-sub' }, one.current ? h('span', {}, t('people.logins.this')) : null, h('span', {}, `SHA-256 ${one.fingerprint.slice(0, 16)}…`), h('span', {}, one.last_used === null ? t('people.passkey.unused') : t('people.logins.used', { ago: agoText(one.last_used) })))),
      iconButton('trash', t('people.certificate.remove', { label: one.label }), onePress(() => removeCertificate(one).then((done) => done && again()))),
    ),
  );
  return h(
    'div',
    { class: 'factor' },
    rows.length === 0 ? null : h('ul', { class: 'rows' }, ...rows),
    h('p', { class: 'hint' }, t(`people.certificate.seen.${all.seen}`)),
    all.required ? h('p', { class: 'hint' }, t('people.certificate.demanded')) : null,
    h(
      'div',
      { class: 'toolbar' },
      all.seen === 'shown' && !known ? button('people.certificate.register', registerCertificate) : null,
      all.seen !== 'off' ? button('people.certificate.other', registerOther) : null,
      bound && !all.required ? button('people.certificate.demand', () => demandCertificate(true)) : null,
      all.required ? button('people.certificate.release', () => demandCertificate(false)) : null,
    ),
  );
}

function registerCertificate(): Promise<unknown> {
  return withProof(t('people.certificate.register'), t('people.certificate.register.text'), t('people.device.do'), false, (proof) => box.registerCertificate(deviceName(navigator.userAgent), proof));
}

/** Of a browser that cannot come in before it is registered. */
function registerOther(): Promise<unknown> {
  const label = field({ label: t('people.passkey.label'), name: 'label', required: true, autocomplete: 'off' });
  const fingerprint = field({ label: t('people.certificate.fingerprint'), name: 'fingerprint', required: true, autocomplete: 'off', hint: t('people.certificate.fingerprint.hint') });
  const deed = (proof: string): Promise<unknown> => box.registerCertificate(label.value.trim(), proof, fingerprint.value);
  return withProof(t('people.certificate.other'), t('people.certificate.other.text'), t('people.device.do'), false, deed, h('div', {}, label.root, fingerprint.root));
}

function demandCertificate(required: boolean): Promise<unknown> {
  const key = required ? 'people.certificate.demand' : 'people.certificate.release';
  return withProof(t(key), t(`${key}.text`), t('people.device.do'), false, (proof) => box.demandCertificate(required, proof));
}

function removeCertificate(one: Certificates['certificates'][number]): Promise<boolean> {
  return removeProven('people.certificate.remove', one.label, (proof) => box.removeCertificate(one.id, proof));
}

// ---- sign-ins and activity ----

function loginList(all: Login[], refresh: () => void): HTMLElement {
  return h('ul', { class: 'rows' }, ...[...all].reverse().map((one) => loginRow(one, refresh)));
}

function loginRow(one: Login, refresh: () => void): HTMLElement {
  const device = deviceName(one.user_agent) || t('people.logins.unknown');
  const end = one.current ? h('span', { class: 'badge factor-on' }, t('people.logins.this')) : iconButton('logout', t('people.logins.end', { device }), onePress(() => revoke(one, device).then((done) => done && refresh())));
  return h(
    'li',
    { class: 'list-row key-row' },
    h('span', { class: 'row-icon', 'aria-hidden': 'true' }, icon('user')),
    h('div', { class: 'row-text' }, h('div', { class: 'row-title', title: one.user_agent }, device), h('div', { class: 'row-sub' }, h('span', {}, one.address), h('span', {}, t('people.logins.used', { ago: agoText(one.last_use) })))),
    end,
  );
}

async function revoke(one: Login, device: string): Promise<boolean> {
  if (!(await confirmDanger({ title: t('people.logins.end', { device }), text: t('people.logins.end.text'), action: t('people.logins.end.do') }))) return false;
  await orToast(async () => {
    await box.revoke(one.id);
    said(t('people.logins.ended', { device }));
  });
  return true;
}

function activityList(events: AuditEvent[]): HTMLElement {
  if (events.length === 0) return h('p', { class: 'hint' }, t('people.activity.none'));
  return h('ul', { class: 'activity', tabindex: '0' }, ...[...events].reverse().map((one) => h('li', { class: one.event.endsWith('failed') ? 'bad' : '' }, h('span', {}, wordText('people.event', one.event)), h('span', { class: 'hint' }, one.peer ?? ''), h('time', { class: 'hint' }, timeText(one.time)))));
}
