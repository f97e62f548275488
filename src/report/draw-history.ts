/** A figure over the epochs, of the training part and of the validation part. Colours come from the page's style. */
import { formatTick, roundTicks } from './axis-ticks.js';
import { element, escapeXml } from './svg-elements.js';

export interface Curve {
  readonly name: 'train' | 'validation';
  readonly points: readonly (readonly [epoch: number, value: number])[];
}

export interface HistoryChart {
  readonly title: string;
  readonly step: 'epoch' | 'iteration';
  readonly curves: readonly Curve[];
  /** Shares are shown as percentages. */
  readonly isShare: boolean;
  readonly format: (value: number) => string;
  /** The epoch whose weights were kept. */
  readonly kept?: number;
}

const size = { width: 460, height: 262 } as const;
/** Of two that have a number below them. */
const mostPowers = 8;
const frame = { left: 58, right: 14, top: 14, bottom: 46 } as const;

export function drawHistory({ title, step, curves, isShare, format, kept }: HistoryChart): string {
  const points = curves.flatMap((curve) => curve.points);
  const [firstEpoch, lastEpoch] = rangeOf(points.map(([epoch]) => epoch));
  const values = roundTicks(...apart(rangeOf(points.map(([, value]) => value))));
  const [low, high] = [values[0]!, values.at(-1)!];
  // The iterations of L-BFGS are recorded at powers of two.
  const isLogarithmic = lastEpoch > 20 && points.length / curves.length < lastEpoch / 2;
  const along = isLogarithmic ? Math.log2 : (epoch: number): number => epoch;
  const spanX = along(lastEpoch) - along(firstEpoch) || 1;
  const x = (epoch: number): number =>
    frame.left + ((along(epoch) - along(firstEpoch)) / spanX) * (size.width - frame.left - frame.right);
  const y = (value: number): number =>
    size.height - frame.bottom - ((value - low) / (high - low)) * (size.height - frame.top - frame.bottom);
  const parts: string[] = [];
  for (const value of values) {
    const at = y(value);
    parts.push(
      element('line', { class: 'grid', x1: frame.left, x2: size.width - frame.right, y1: at, y2: at }),
    );
    parts.push(
      label(frame.left - 8, at + 4, isShare ? `${formatTick(100 * value)}%` : shortTick(value), 'end'),
    );
  }
  for (const epoch of ticks(firstEpoch, lastEpoch, isLogarithmic))
    parts.push(label(x(epoch), size.height - frame.bottom + 18, String(epoch), 'middle'));
  parts.push(label((frame.left + size.width - frame.right) / 2, size.height - 6, step, 'middle'));
  if (kept !== undefined && kept >= firstEpoch && kept <= lastEpoch) {
    const at = x(kept);
    const line = element(
      'line',
      { class: 'kept', x1: at, x2: at, y1: frame.top, y2: size.height - frame.bottom },
      [element('title', {}, [`kept: ${step} ${kept}`])],
    );
    parts.push(line);
  }
  for (const { name, points: own } of curves) {
    const path = own
      .map(([epoch, value], i) => `${i === 0 ? 'M' : 'L'}${round(x(epoch))} ${round(y(value))}`)
      .join('');
    parts.push(element('path', { class: `curve ${name}`, d: path }));
    if (own.length <= 40) {
      for (const [epoch, value] of own) {
        const text = `${name}, ${step} ${epoch}: ${format(value)}`;
        const dot = { class: `dot ${name}`, cx: x(epoch), cy: y(value), r: 3 };
        parts.push(element('circle', dot, [element('title', {}, [escapeXml(text)])]));
      }
    }
  }
  return element(
    'svg',
    { viewBox: `0 0 ${size.width} ${size.height}`, role: 'img', 'aria-label': `${title} by ${step}` },
    parts,
  );
}

function label(x: number, y: number, text: string, anchor: 'start' | 'middle' | 'end'): string {
  return element('text', { x, y, 'text-anchor': anchor }, [escapeXml(text)]);
}

function rangeOf(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return values.length > 0 ? [low, high] : [0, 1];
}

/** Values that are all the same need an axis too. */
function apart([low, high]: [number, number]): [number, number] {
  const room = 0.05 * Math.abs(high) || 0.05;
  return low < high ? [low, high] : [low, low + room];
}

/** The noughts of a very small or large number would not fit beside the axis. */
function shortTick(value: number): string {
  const size = Math.abs(value);
  const fits = value === 0 || (size >= 1e-3 && size < 1e5);
  return fits ? formatTick(value) : Number(value.toPrecision(3)).toExponential();
}

/** Epochs with a number below them: round ones, or powers of two. */
function ticks(first: number, last: number, isLogarithmic: boolean): number[] {
  if (first === last) return [first];
  if (!isLogarithmic)
    return roundTicks(first, last).filter((at) => Number.isInteger(at) && at >= first && at <= last);
  const powers = Array.from({ length: 32 }, (_, i) => 2 ** i).filter((at) => at >= first && at <= last);
  const stride = Math.ceil(powers.length / mostPowers);
  return powers.filter((_, i) => i % stride === 0);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
