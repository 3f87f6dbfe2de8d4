// Colours of the terminal. `match` follows the page; the others are themselves whatever the page does.

import type { ITheme } from '@xterm/xterm';
import { settings } from '../base/settings';

const ANSI = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;

/** Background, text, cursor, selection, and the sixteen colours, dark ones first. */
function theme(background: string, foreground: string, cursor: string, selection: string, colours: string): ITheme {
  const sixteen = colours.split(' ');
  const made: Record<string, string> = { background, foreground, cursor, cursorAccent: background, selectionBackground: selection };
  ANSI.forEach((name, at) => {
    made[name] = sixteen[at] ?? foreground;
    made[`bright${name[0]?.toUpperCase()}${name.slice(1)}`] = sixteen[at + 8] ?? foreground;
  });
  return made;
}

export const THEMES: Record<string, ITheme> = {
  harbour: theme('#0e1415', '#d7e2e0', '#36c5b4', '#2f5a5a', '#26302f #e06c75 #7ec699 #e5c07b #6cb2eb #c792ea #5fd0c5 #c4d0ce #7a8c8a #ff8b94 #a3e0b5 #f5d796 #92c9ff #dcb0ff #8be9df #ffffff'),
  paper: theme('#fbfcfc', '#1d2b2a', '#0b7a72', '#b8dcd8', '#1d2b2a #b3263b #1b7a3e #8a5700 #1f5fb0 #8a3aa8 #0b7a72 #5f6b68 #4e5d5b #c93a50 #1b7f42 #a06800 #2f74cc #a24fc2 #0a7a72 #2d3b3a'),
  contrast: theme('#000000', '#ffffff', '#ffff00', '#555500', '#000000 #ff9ba6 #7dff9e #ffff6e #9ec5ff #ffb0ff #7dfff5 #ffffff #a0a0a0 #ffc0c7 #b0ffc4 #ffffb0 #c8deff #ffd4ff #b8fffa #ffffff'),
  dusk: theme('#1d1b2a', '#dcd9ee', '#f2a65a', '#46416b', '#2a273d #ee7d8c #8fd6a0 #f0c674 #83a8f5 #c99af0 #7dd3d8 #cdc9e3 #8d87b8 #ff9fac #b0ebbe #ffdc98 #a9c4ff #dfbcff #a4eaee #ffffff'),
  amber: theme('#17120a', '#ffc766', '#ffe0a8', '#5c4516', '#2b2214 #ff8f6b #d9c46a #ffcf70 #d8b078 #ffae7d #e8d39a #ffdfa6 #a1844c #ffab8f #ece08f #ffe29e #ecc99a #ffc8a3 #f7e7ba #fff2d6'),
};

const light = window.matchMedia('(prefers-color-scheme: light)');

export function currentTheme(): ITheme {
  return THEMES[settings.termTheme] ?? THEMES[matching()] ?? {};
}

function matching(): string {
  if (settings.theme === 'contrast') return 'contrast';
  if (settings.theme === 'system') return light.matches ? 'paper' : 'harbour';
  return settings.theme === 'light' ? 'paper' : 'harbour';
}

/** The page's own colours may change by themselves at sunset. Call the answer to hear of it no more. */
export function whenSystemChanges(then: () => void): () => void {
  light.addEventListener('change', then);
  return () => light.removeEventListener('change', then);
}
