/** How often predictions of each confidence are right: bars on the diagonal mean probabilities that can be believed. */
import type { ReliabilityBin } from '../metrics/calibration.js';
import { element } from './svg-elements.js';

/** About as wide as the page shows it, so that text keeps its size. */
const size = { width: 480, height: 360 } as const;
const frame = { left: 52, bottom: 34, top: 12, right: 26 } as const;

export function drawReliability(bins: readonly ReliabilityBin[]): string {
  const width = size.width - frame.left - frame.right;
  const height = size.height - frame.top - frame.bottom;
  const x = (share: number): number => frame.left + share * width;
  const y = (share: number): number => frame.top + (1 - share) * height;
  const most = Math.max(1, ...bins.map(({ examples }) => examples));
  const parts: string[] = [];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    parts.push(element('line', { class: 'grid', x1: x(0), x2: x(1), y1: y(share), y2: y(share) }));
    parts.push(element('text', { x: x(0) - 8, y: y(share) + 4, 'text-anchor': 'end' }, [`${100 * share}%`]));
    parts.push(element('text', { x: x(share), y: y(0) + 18, 'text-anchor': 'middle' }, [`${100 * share}%`]));
  }
  for (const { from, to, examples, accuracy, confidence } of bins) {
    if (examples === 0) continue;
    const text = `${examples} examples at ${(100 * confidence).toFixed(0)} % confidence: ${(100 * accuracy).toFixed(1)} % right`;
    const bar = {
      class: 'bar',
      x: x(from) + 1,
      width: Math.max(1, x(to) - x(from) - 2),
      y: y(accuracy),
      height: Math.max(1, y(0) - y(accuracy)),
      opacity: 0.35 + 0.65 * Math.sqrt(examples / most),
    };
    parts.push(element('rect', bar, [element('title', {}, [text])]));
  }
  parts.push(element('line', { class: 'diagonal', x1: x(0), y1: y(0), x2: x(1), y2: y(1) }));
  return element(
    'svg',
    { viewBox: `0 0 ${size.width} ${size.height}`, role: 'img', 'aria-label': 'Reliability diagram' },
    parts,
  );
}
