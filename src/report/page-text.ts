/** Pieces of a page's text, as HTML. What is given is plain text, but for `content`. */
import { escapeXml } from './svg-elements.js';

/** A sentence in which no flag is torn at its dashes. */
export function sentence(text: string): string {
  return escapeXml(text).replace(/--[\w-]+/g, '<span class="flag">$&</span>');
}

/** A name that may be broken where a word of it ends, rather than anywhere. */
export function name(text: string): string {
  return escapeXml(text).replace(/[_./-](?=[^_./-])/g, '$&<wbr>');
}

/** Wider or longer than its place it can be moved, with the keyboard too. */
export function scrolling(label: string, content: string): string {
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeXml(label)}">${content}</div>`;
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Three digits or more, with a power of ten where there would be many noughts: 0.0434, 1234, 2.0e-4. */
export function number(value: number): string {
  const size = Math.abs(value);
  if (value !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(1);
  return size >= 1000 ? value.toFixed(0) : value.toPrecision(3);
}

export function section(title: string, content: string): string {
  return `<section><h2>${escapeXml(title)}</h2>${content}</section>`;
}
