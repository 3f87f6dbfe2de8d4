// Where panes stand: a tree of splits per tab. Pure; the page draws it, and the box keeps it.

export type Node = Leaf | Split;

export interface Leaf {
  kind: 'pane';
  id: string;
}

export interface Split {
  kind: 'split';
  /** `row`: side by side. `column`: one above the other. */
  direction: 'row' | 'column';
  first: Node;
  second: Node;
  /** The first one's share of the whole, 0.1 to 0.9. */
  share: number;
}

export const leaf = (id: string): Leaf => ({ kind: 'pane', id });

export function panes(node: Node): string[] {
  return node.kind === 'pane' ? [node.id] : [...panes(node.first), ...panes(node.second)];
}

/** `id` keeps its place and gets `added` after it. */
export function split(node: Node, id: string, added: string, direction: Split['direction']): Node {
  if (node.kind === 'pane') return node.id === id ? { kind: 'split', direction, first: node, second: leaf(added), share: 0.5 } : node;
  return { ...node, first: split(node.first, id, added, direction), second: split(node.second, id, added, direction) };
}

/** Without `id`; its neighbour takes the room. Null: nothing is left. */
export function without(node: Node, id: string): Node | null {
  if (node.kind === 'pane') return node.id === id ? null : node;
  const first = without(node.first, id);
  const second = without(node.second, id);
  return first && second ? { ...node, first, second } : (first ?? second);
}

export function clampShare(share: number): number {
  return Math.min(0.9, Math.max(0.1, share));
}

/** The next pane in reading order, or the one before; around the corner at the ends. */
export function neighbour(node: Node, id: string, step: 1 | -1): string {
  const all = panes(node);
  return all[(all.indexOf(id) + step + all.length) % all.length] ?? id;
}

/** With other names: sessions for panes when it is kept, panes for sessions when it comes back. What has no name is left out. */
export function renamed(node: Node, name: (id: string) => string | null): Node | null {
  if (node.kind === 'pane') {
    const other = name(node.id);
    return other === null ? null : leaf(other);
  }
  const first = renamed(node.first, name);
  const second = renamed(node.second, name);
  return first && second ? { ...node, first, second } : (first ?? second);
}

/** What was kept, if it is a layout: another version of the page, or another hand, may have written it. */
export function readNode(value: unknown, depth = 0): Node | null {
  if (typeof value !== 'object' || value === null || depth > 8) return null;
  const it = value as Record<string, unknown>;
  if (it['kind'] === 'pane') return typeof it['id'] === 'string' ? leaf(it['id']) : null;
  if (it['kind'] !== 'split') return null;
  const first = readNode(it['first'], depth + 1);
  const second = readNode(it['second'], depth + 1);
  if (!first || !second) return first ?? second;
  const share = typeof it['share'] === 'number' && Number.isFinite(it['share']) ? clampShare(it['share']) : 0.5;
  return { kind: 'split', direction: it['direction'] === 'column' ? 'column' : 'row', first, second, share };
}
