/** The confusion matrix as a heat map: a row a label, a column a prediction. Of very many classes the most confused ones. */
import { cellsOf, type Confusion, supportOf } from '../metrics/confusion.js';
import { columnsOf } from '../shorten-text.js';
import { box, element, escapeXml, shorten } from './svg-elements.js';

/** More than these do not fit on a page; with more than `mostNumbered` the cells bear no numbers. */
const mostDrawn = 60;
const mostNumbered = 24;
/** Of a name beside its row. */
const mostColumns = 18;

export interface DrawnConfusion {
  readonly svg: string;
  /** Classes that were left out. */
  readonly omitted: number;
}

export function drawConfusion(confusion: Confusion, classes: readonly string[]): DrawnConfusion {
  const chosen = mostConfused(confusion);
  const count = chosen.length;
  const cell = Math.min(44, Math.max(9, 620 / count));
  const fontSize = Math.min(12, Math.max(7, cell * 0.72));
  const longest = Math.max(...chosen.map((c) => Math.min(mostColumns, columnsOf(classes[c]!))));
  const margin = 14 + longest * fontSize * 0.6;
  const size = margin + count * cell + 8;
  const parts: string[] = [];
  chosen.forEach((label, row) => {
    const total = Math.max(1, supportOf(confusion[label]!));
    const middle = margin + (row + 0.5) * cell;
    parts.push(name(classes[label]!, { x: margin - 6, y: middle + fontSize * 0.35 }, fontSize));
    parts.push(
      name(
        classes[label]!,
        { transform: `translate(${middle + fontSize * 0.35} ${margin - 6}) rotate(-90)` },
        fontSize,
        'start',
      ),
    );
    chosen.forEach((prediction, column) => {
      const examples = confusion[label]![prediction] ?? 0;
      if (examples === 0) return;
      const share = examples / total;
      const kind = label === prediction ? 'right' : 'wrong';
      const tip = `${classes[label]!} → ${classes[prediction]!}: ${examples} (${(100 * share).toFixed(1)} %)`;
      const [left, top] = [margin + column * cell, margin + row * cell];
      parts.push(
        box(
          left + 0.5,
          top + 0.5,
          cell - 1,
          cell - 1,
          { class: kind, 'fill-opacity': 0.12 + 0.88 * share, rx: 2 },
          tip,
        ),
      );
      if (count > mostNumbered) return;
      const at = { x: left + cell / 2, y: top + cell / 2 + 4, 'text-anchor': 'middle' };
      parts.push(element('text', { ...at, class: share > 0.55 ? 'strong' : 'weak' }, [String(examples)]));
    });
  });
  parts.push(
    element('rect', { class: 'frame', x: margin, y: margin, width: count * cell, height: count * cell }),
  );
  const svg = element(
    'svg',
    {
      viewBox: `0 0 ${Math.ceil(size)} ${Math.ceil(size)}`,
      style: `max-width:${Math.ceil(size * 1.15)}px`,
      role: 'img',
      'aria-label': 'Confusion matrix',
    },
    parts,
  );
  return { svg, omitted: confusion.length - count };
}

/** In their own order: all, or those that take part in the most mistakes, each with what it is confused with most. */
function mostConfused(confusion: Confusion): number[] {
  const all = confusion.map((_, c) => c);
  if (all.length <= mostDrawn) return all;
  /** For each class, how often it is taken for each other, or each other for it. */
  const others = all.map(() => new Map<number, number>());
  confusion.forEach((row, label) => {
    for (const [prediction, examples] of cellsOf(row)) {
      if (prediction === label) continue;
      for (const [c, other] of [
        [label, prediction],
        [prediction, label],
      ] as const)
        others[c]!.set(other, (others[c]!.get(other) ?? 0) + examples);
    }
  });
  const mistakes = others.map((counts) => [...counts.values()].reduce((a, b) => a + b, 0));
  const chosen = new Set<number>();
  for (const c of all.toSorted((a, b) => mistakes[b]! - mistakes[a]! || a - b)) {
    chosen.add(c);
    const [partner] = [...others[c]!].sort(([a, m], [b, n]) => n - m || a - b);
    if (partner !== undefined && chosen.size < mostDrawn) chosen.add(partner[0]);
    if (chosen.size >= mostDrawn) break;
  }
  return [...chosen].sort((a, b) => a - b);
}

function name(
  text: string,
  place: Readonly<Record<string, string | number>>,
  size: number,
  anchor: 'start' | 'end' = 'end',
): string {
  // As a style: the page's own one would win over an attribute.
  return element('text', { ...place, style: `font-size:${size.toFixed(1)}px`, 'text-anchor': anchor }, [
    element('title', {}, [escapeXml(text)]),
    escapeXml(shorten(text, mostColumns)),
  ]);
}
