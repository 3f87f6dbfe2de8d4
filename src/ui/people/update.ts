// For administrators: a newer program for the box, taken from this browser piece by piece. Whether it is fit is the box's to say.

import { announce } from '../base/announce';
import { ApiError, api } from '../base/api';
import { openDialog } from '../base/dialog';
import { h } from '../base/dom';
import { type Field, field, showProblem } from '../base/forms';
import { untouched } from '../base/late';
import { localized, t } from '../base/text';
import { orToast } from '../start/common';
import { type Ending, type UpdateState, box } from './box';
import { timeText, withProof } from './parts';

/** In Base64 and with what stands around it this fits into a body of 64 KiB. */
const PIECE_BYTES = 45_000;
const SIGNATURE_BYTES = 64;
const LOOK_MS = 1000;
/** The box gives a new program a minute, and as long to the old one that comes back. A board with a new image starts anew for that, perhaps twice. */
const PATIENCE_MS = { program: 200_000, image: 420_000 };
const SPOKEN_PERCENT = 20;

export async function openUpdate(): Promise<void> {
  await orToast(async () => {
    const here = untouched();
    const state = await box.updateState();
    if (!here()) return;
    const chosen = await choose(state);
    if (!chosen) return;
    const begun = await withProof(t('people.update.title'), t('people.update.proof'), t('people.update.submit'), true, (proof) => box.beginUpdate(chosen.program.length, chosen.signature, proof));
    if (begun) await carry(begun.done, chosen.program, state);
  });
}

interface Chosen {
  program: Uint8Array;
  signature: string;
}

async function choose(state: UpdateState): Promise<Chosen | null> {
  const lead = h('p', { class: 'dialog-lead' }, t('people.update.lead', { version: state.version }));
  const last = state.last ? endingPart(state.last) : null;
  if (state.closed !== null) {
    const body = h('div', { class: 'form' }, lead, last, h('p', { class: 'banner', role: 'status' }, t('people.update.closed'), ' ', localized(state.closed)));
    await openDialog({ title: t('people.update.title'), body, actions: [{ label: t('start.close') }] });
    return null;
  }
  const image = state.kind === 'image';
  const none = t(image ? 'people.update.image.none' : 'people.update.program.none');
  const program = fileField(t(image ? 'people.update.image' : 'people.update.program'), 'program', t(image ? 'people.update.image.hint' : 'people.update.program.hint'));
  const signature = fileField(t('people.update.signature'), 'signature', t('people.update.signature.hint'));
  const form = h('form', { class: 'form' }, lead, last, program.root, signature.root, h('p', { class: 'hint' }, t('people.update.terminals')));
  let chosen: Chosen | null = null;
  const read = async (): Promise<boolean> => {
    const [file, sig] = [program.input.files?.[0], signature.input.files?.[0]];
    program.setError(file && file.size > 0 ? null : none);
    signature.setError(sig?.size === SIGNATURE_BYTES ? null : t('people.update.signature.none'));
    if (!file || file.size === 0 || sig?.size !== SIGNATURE_BYTES) return false;
    chosen = { program: new Uint8Array(await file.arrayBuffer()), signature: base64(new Uint8Array(await sig.arrayBuffer())) };
    return true;
  };
  await openDialog({ title: t('people.update.title'), body: form, actions: [{ label: t('start.cancel') }, { label: t('people.update.next'), kind: 'primary', value: 'done', submit: read }] });
  return chosen;
}

function fileField(label: string, name: string, hint: string): Field {
  return field({ label, name, type: 'file', autocomplete: 'off', required: true, hint });
}

function endingPart(last: Ending): HTMLElement {
  const when = t(last.installed ? 'people.update.last' : 'people.update.last.failed', { time: timeText(last.at) });
  return h('div', { class: 'update-last' }, h('p', {}, h('strong', {}, when)), h('p', { class: 'hint' }, localized(last.told)));
}

function base64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Sends it, has it installed and waits for the end, all in one dialog. To close it before the last piece is to think better of it. */
async function carry(upload: string, program: Uint8Array, before: UpdateState): Promise<void> {
  const meter = h('progress', { class: 'progress', max: 1, value: 0, 'aria-label': t('people.update.sending') }) as HTMLProgressElement;
  const status = h('p', { class: 'update-status', role: 'status' }, t('people.update.sending'));
  const form = h('form', { class: 'form' }, status, meter);
  let closed = false;
  let handed = false;
  const work = async (): Promise<void> => {
    try {
      await send(upload, program, (done) => (meter.value = done), () => closed);
      if (closed) return;
      handed = true;
      status.textContent = t(before.kind === 'image' ? 'people.update.installing.image' : 'people.update.installing');
      meter.removeAttribute('value');
      const boot = (await api.get<{ boot: string }>('/api/state')).boot;
      await box.installUpdate(upload);
      status.textContent = await ending(boot, before);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      status.textContent = t(handed ? 'people.update.silent' : 'people.update.failed');
      showProblem(form, error);
    }
    meter.classList.add('hidden');
  };
  const shown = openDialog({ title: t('people.update.title'), body: form, actions: [{ label: t('start.close') }] });
  void work();
  await shown;
  closed = true;
  if (!handed) await box.forgetUpdate();
}

async function send(upload: string, program: Uint8Array, progress: (done: number) => void, stop: () => boolean): Promise<void> {
  let spoken = 0;
  for (let at = 0; at < program.length && !stop(); at += PIECE_BYTES) {
    await box.sendUpdate(upload, at, base64(program.subarray(at, at + PIECE_BYTES)));
    const done = Math.min(1, (at + PIECE_BYTES) / program.length);
    progress(done);
    if (done * 100 < spoken + SPOKEN_PERCENT) continue;
    spoken = Math.floor(done * 100);
    announce(t('people.update.percent', { percent: spoken }));
  }
}

/** The box starts anew with the new program, or says why it stays. Nobody is signed in to a box that has started anew. */
async function ending(boot: string, before: UpdateState): Promise<string> {
  const until = Date.now() + PATIENCE_MS[before.kind];
  while (Date.now() < until) {
    await new Promise((resolve) => window.setTimeout(resolve, LOOK_MS));
    try {
      if ((await api.get<{ boot: string }>('/api/state')).boot !== boot) return t('people.update.anew');
      const { last } = await box.updateState();
      if (last && last.at !== before.last?.at) return localized(last.told);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }
  return t('people.update.silent');
}
