// All words of the page, in the language of the person. Catalogues lie in text/.

import auditDe from '../text/audit.de';
import auditEn from '../text/audit.en';
import baseDe from '../text/base.de';
import baseEn from '../text/base.en';
import boxDe from '../text/box.de';
import peopleDe from '../text/people.de';
import peopleEn from '../text/people.en';
import startDe from '../text/start.de';
import startEn from '../text/start.en';
import workDe from '../text/work.de';
import workEn from '../text/work.en';
import { translated } from './translate';

const catalogues: Record<string, Record<string, string>> = {
  en: { ...auditEn, ...baseEn, ...peopleEn, ...startEn, ...workEn },
  de: { ...auditDe, ...baseDe, ...peopleDe, ...startDe, ...workDe },
};

let language = 'en';

/** `''` takes the browser's own wish. */
export function useLanguage(wish: string): void {
  const wishes = wish === '' ? navigator.languages : [wish];
  language = wishes.map((one) => one.slice(0, 2).toLowerCase()).find((one) => one in catalogues) ?? 'en';
  document.documentElement.lang = language;
}

export function t(key: string, params: Record<string, string | number> = {}): string {
  const text = catalogues[language]?.[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

/** A sentence of the box, which speaks English, in the language of the person. */
export function localized(sentence: string): string {
  return language === 'de' ? translated(sentence, boxDe) : sentence;
}

const tables = new Map<string, Record<string, string>>();

/** A word of the box below `prefix`, `{}` in its key for what the box puts in. One that this page does not know stays as it is. */
export function worded(prefix: string, word: string): string {
  const name = `${language} ${prefix}`;
  const table = tables.get(name) ?? Object.fromEntries(Object.entries(catalogues[language] ?? {}).flatMap(([key, text]) => (key.startsWith(`${prefix}.`) ? [[key.slice(prefix.length + 1), text]] : [])));
  tables.set(name, table);
  return translated(word, table);
}
