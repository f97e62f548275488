/** SVG as text: elements with escaped attributes, and the few shapes that drawings share. */
import { columnsOf } from '../shorten-text.js';

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Characters that XML 1.0 cannot hold at all, of surrogates those without their other half, escaped or not: a file may name its values anything. */
// eslint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/gu;

export function escapeXml(text: string): string {
  return text
    .replace(unprintable, '\ufffd')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}

/** `children` are elements already, not text. */
export function element(name: string, attributes: Attributes, children: readonly string[] = []): string {
  const shown = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escapeXml(value!)}"`)
    .join('');
  return children.length > 0 ? `<${name}${shown}>${children.join('')}</${name}>` : `<${name}${shown}/>`;
}

export interface TextStyle {
  readonly size?: number;
  readonly weight?: number;
  readonly fill?: string;
  readonly anchor?: 'start' | 'middle' | 'end';
  /** The whole text where a shortened one is shown. */
  readonly title?: string | undefined;
  readonly mono?: boolean;
  readonly class?: string;
}

/** One line; `y` is its baseline. */
export function line(
  x: number,
  y: number,
  text: string,
  {
    size = 13,
    weight = 400,
    fill = '#1f2933',
    anchor = 'start',
    title,
    mono = false,
    class: kind,
  }: TextStyle = {},
): string {
  return element(
    'text',
    {
      x,
      y,
      class: kind,
      'font-size': size,
      'font-weight': weight === 400 ? undefined : weight,
      fill,
      'text-anchor': anchor === 'start' ? undefined : anchor,
      'font-family': mono ? 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace' : undefined,
    },
    [...(title === undefined ? [] : [element('title', {}, [escapeXml(title)])]), escapeXml(text)],
  );
}

export function box(
  x: number,
  y: number,
  width: number,
  height: number,
  attributes: Attributes = {},
  title?: string,
): string {
  return element(
    'rect',
    { x, y, width, height, ...attributes },
    title === undefined ? [] : [element('title', {}, [escapeXml(title)])],
  );
}

/** Its end, which tells more than its beginning, where the name is wider than `length` letters. */
export function shorten(name: string, length: number): string {
  if (columnsOf(name) <= length) return name;
  const characters = [...name];
  let from = characters.length;
  for (let left = length - 1; from > 0; from--) {
    left -= columnsOf(characters[from - 1]!);
    if (left < 0) break;
  }
  return `…${characters.slice(from).join('')}`;
}

/** 1234567 → "1.2 M". */
export function formatCount(count: number): string {
  for (const [size, unit] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (count >= size) return `${(count / size).toFixed(count >= 100 * size ? 0 : 1)} ${unit}`;
  }
  return String(count);
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}
