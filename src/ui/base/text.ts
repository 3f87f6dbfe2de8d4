// All words of the page, in the language of the person. Catalogues lie in text/.

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
  en: { ...baseEn, ...peopleEn, ...startEn, ...workEn },
  de: { ...baseDe, ...peopleDe, ...startDe, ...workDe },
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
