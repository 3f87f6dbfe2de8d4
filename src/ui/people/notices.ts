// What happened to the account while its owner was away, said once at the next sign-in.

import { toast } from '../base/announce';
import { ApiError } from '../base/api';
import { openDialog } from '../base/dialog';
import { h, icon } from '../base/dom';
import { untouched } from '../base/late';
import { t } from '../base/text';
import { box } from './box';
import { timeText, wordText } from './parts';

export async function showNotices(): Promise<void> {
  try {
    const here = untouched();
    const notices = await box.notices();
    if (notices.length === 0) return;
    // An Enter that was meant for what somebody has begun by now must not say that this was read.
    if (!here()) return toast(t('people.notice.title'), 'warn');
    const rows = notices.map((one) => h('li', {}, icon('warn'), h('div', {}, h('p', {}, wordText('people.notice', one.what)), h('time', { class: 'hint' }, timeText(one.time)))));
    const body = h('div', { class: 'notices' }, h('ul', {}, ...rows), h('p', { class: 'hint' }, t('people.notice.not-you')));
    const read = await openDialog({ title: t('people.notice.title'), body, actions: [{ label: t('people.notice.later') }, { label: t('people.notice.read'), kind: 'primary', value: 'read' }] });
    if (read) await box.dismiss(notices.length);
  } catch (error) {
    // They wait on the box for the next sign-in.
    if (!(error instanceof ApiError)) throw error;
  }
}
