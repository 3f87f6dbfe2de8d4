// Elements from code. Text is always text: nothing here reads HTML.

export type Child = Node | string | null | false | undefined;
export type Attributes = Record<string, string | number | boolean | null | undefined | Record<string, (event: Event) => void>>;

export function h(tag: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'object') for (const [event, run] of Object.entries(value)) element.addEventListener(event, run);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) if (child !== null && child !== false && child !== undefined) element.append(child);
  return element;
}

export function clear(element: Element): void {
  element.replaceChildren();
}

const SVG = 'http://www.w3.org/2000/svg';
const STAR = 'M12 4l2.5 5.1 5.5.8-4 3.9 1 5.5-5-2.6-5 2.6 1-5.5-4-3.9 5.5-.8z';

/** Lines on a field of 24 by 24. */
const ICONS = {
  plus: 'M12 5v14M5 12h14',
  search: 'M11 4.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M20 20l-4.4-4.4',
  key: 'M8 11a4 4 0 1 0 0 8 4 4 0 0 0 0-8M11 12l8-8M15.5 7.5l3 3',
  host: 'M4 5h16v6H4zM4 13h16v6H4zM7.5 8h.01M7.5 16h.01',
  terminal: 'M5 7l5 5-5 5M12 18h7',
  close: 'M6 6l12 12M18 6L6 18',
  more: 'M12 5.5h.01M12 12h.01M12 18.5h.01',
  'split-h': 'M4 5h16v14H4zM12 5v14',
  'split-v': 'M4 5h16v14H4zM4 12h16',
  star: STAR,
  'star-filled': STAR,
  copy: 'M9 9h11v11H9zM5 15V4h11',
  trash: 'M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13',
  edit: 'M4 20h4L20 8l-4-4L4 16z',
  import: 'M12 4v11M7 11l5 5 5-5M4 20h16',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8v4.4M9 14.8v4.4',
  help: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M9.5 9.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8M12 16.5h.01',
  logout: 'M10 4H5v16h5M15 8l4 4-4 4M9 12h10',
  chevron: 'M9 6l6 6-6 6',
  warn: 'M12 4l9 16H3zM12 10v4.5M12 17.2h.01',
  check: 'M5 12.5l4.5 4.5L19 7',
  broadcast: 'M12 11v9M8 8a5 5 0 0 1 8 0M5 5.5a9 9 0 0 1 14 0M12 11h.01',
  keyboard: 'M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M19 5l-1.4 1.4M6.4 17.6L5 19',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z',
  lock: 'M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3',
  user: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4.5 20.5c1.5-7 13.500-7 15 0',
  print: 'M7 9V4h10v5M7 17H4V9h16v8h-3M7 14h10v6H7z',
  play: 'M8 5l11 7-11 7z',
  link: 'M10 14l4-4M9 17H7.500a5 5 0 0 1 0-10H9M15 7h1.500a5 5 0 0 1 0 10H15',
} as const;

export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', name === 'star-filled' ? 'icon filled' : 'icon');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}
