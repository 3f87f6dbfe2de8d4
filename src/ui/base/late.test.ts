import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Question, untouched } from './late';

test('only the answer to the last question counts', () => {
  const question = new Question();
  const first = question.ask();
  assert.ok(first());
  const second = question.ask();
  assert.ok(!first());
  assert.ok(second());
  assert.ok(second(), 'and goes on to');
});

test('no answer counts for who is not shown any more', () => {
  let shown = true;
  const question = new Question(() => shown);
  const counts = question.ask();
  shown = false;
  assert.ok(!counts());
});

/** What a page has of keys and focus. */
function page() {
  const [body, field, button] = ['body', 'field', 'button'].map((id) => ({ id }) as unknown as HTMLElement);
  return Object.assign(new EventTarget(), { body, field, button, activeElement: field as Element | null }) as unknown as Document & { field: HTMLElement; button: HTMLElement; activeElement: Element | null };
}

const press = (repeat = false): Event => Object.assign(new Event('keydown'), { repeat });

test('whoever presses a key or moves the focus is elsewhere', () => {
  const [typed, moved] = [page(), page()];
  const [mayType, mayMove] = [untouched(typed), untouched(moved)];
  assert.ok(mayType() && mayMove());
  typed.dispatchEvent(press());
  assert.ok(!mayType());
  moved.activeElement = moved.button;
  assert.ok(!mayMove());
});

test('a key that is held down, and a focus that fell on the page, were moved by nobody', () => {
  const there = page();
  const here = untouched(there);
  there.dispatchEvent(press(true));
  there.activeElement = there.body;
  assert.ok(here());
  there.activeElement = null;
  assert.ok(here());
});
