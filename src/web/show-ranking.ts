import { element } from './element.js';
import type { Ranking } from './rank-outputs.js';

/** The answer and a bar for each label. */
export function showRanking({ answer, detail, rows, threshold }: Ranking): HTMLElement[] {
  const head = element('p', { class: 'answer' }, element('b', {}, answer));
  if (detail !== undefined) head.append(' ', element('span', { class: 'muted' }, detail));
  if (rows.length === 0) return [head];
  const list = rows.map(({ label, text, value, share, isChosen }) => {
    const row = element('tr', isChosen ? { class: 'chosen' } : {});
    row.append(element('th', { scope: 'row' }, ...breakable(label)));
    if (share !== undefined) row.append(element('td', { class: 'track' }, bar(share, threshold)));
    row.append(element('td', {}, element('data', { value: String(value) }, text)));
    return row;
  });
  return [head, element('table', { class: 'bars' }, element('tbody', {}, ...list))];
}

/** A name that may be broken where a word of it ends, rather than anywhere. */
function breakable(label: string): (Node | string)[] {
  const words = label.split(/(?<=[_./-])(?=[^_./-])/);
  return words.flatMap((word, i) => (i === 0 ? [word] : [element('wbr'), word]));
}

/** Says nothing that the number beside it does not. */
function bar(share: number, threshold: number | undefined): HTMLElement {
  const fill = element('i');
  fill.style.width = `${(100 * share).toFixed(2)}%`;
  const track = element('div', { 'aria-hidden': 'true' }, fill);
  if (threshold !== undefined) {
    const mark = element('s');
    mark.style.left = `${100 * threshold}%`;
    track.append(mark);
  }
  return track;
}
