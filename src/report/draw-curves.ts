/** A line chart as SVG: curves with error bars over a linear or logarithmic axis. */
import { formatTick, roundTicks } from './axis-ticks.js';
import { type Attributes, box, element, line } from './svg-elements.js';

export interface CurvePoint {
  readonly x: number;
  readonly y: number;
  /** Half the length of an error bar. */
  readonly spread?: number;
}

export interface Curve {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly CurvePoint[];
  /** What is a guess, not a measurement. */
  readonly dashed?: boolean;
  /** Cut off where it leaves the range of the other curves, which it may not widen. */
  readonly clipped?: boolean;
  readonly markers?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly subtitle?: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly isLogX?: boolean;
  readonly curves: readonly Curve[];
  /** Vertical lines, their labels near the top or the bottom of the plot. */
  readonly marks?: readonly { readonly x: number; readonly label: string }[];
  readonly labelMarksAt?: 'top' | 'bottom';
  readonly formatX?: (x: number) => string;
  readonly formatY?: (y: number) => string;
}

const width = 720;
const height = 440;
const plot = { left: 76, right: 696, top: 92, bottom: 384 };
const grey = '#52606d';
/** Where the reader prefers dark; a rule wins over an element's own attribute. */
const style =
  'text.on{paint-order:stroke;stroke:#fff;stroke-width:4px}' +
  '@media (prefers-color-scheme:dark){.ground{fill:#1a2027}text{fill:#c3ccd6}text.on{stroke:#1a2027}.grid{stroke:#303a45}[clip-path]{opacity:.45}}';

export function drawCurves(chart: Chart): string {
  const { curves, isLogX = false, marks = [], labelMarksAt = 'top' } = chart;
  const { formatX = formatTick, formatY = formatTick } = chart;
  const points = curves.flatMap((curve) => curve.points).filter(({ x, y }) => Number.isFinite(x + y));
  const toAxis = (x: number): number => (isLogX ? Math.log10(x) : x);
  const [xLow, xHigh] = extent(points.map(({ x }) => toAxis(x)));
  const [yLow, yHigh] = extent(
    curves
      .filter(({ clipped }) => !clipped)
      .flatMap((curve) => curve.points)
      .filter(({ x, y }) => Number.isFinite(x + y))
      .flatMap(({ y, spread = 0 }) => [y - spread, y + spread]),
  );
  const xTicks = isLogX ? logTicks(xLow, xHigh) : roundTicks(xLow, xHigh);
  const yTicks = roundTicks(yLow, yHigh);
  const low = Math.min(yLow, yTicks[0] ?? yLow);
  const high = Math.max(yHigh, yTicks.at(-1) ?? yHigh);
  const px = (x: number): number =>
    plot.left + ((toAxis(x) - xLow) / (xHigh - xLow || 1)) * (plot.right - plot.left);
  const py = (y: number): number => plot.bottom - ((y - low) / (high - low || 1)) * (plot.bottom - plot.top);
  const parts = [
    element('style', {}, [style]),
    element('clipPath', { id: 'plot' }, [
      box(plot.left, plot.top, plot.right - plot.left, plot.bottom - plot.top),
    ]),
    box(0, 0, width, height, { fill: '#ffffff', class: 'ground' }),
    line(24, 32, chart.title, { size: 17, weight: 600 }),
    ...(chart.subtitle === undefined ? [] : [line(24, 54, chart.subtitle, { size: 13, fill: grey })]),
  ];
  for (const y of yTicks) {
    parts.push(
      rule(plot.left, py(y), plot.right, py(y), '#e4e7eb', { class: 'grid' }),
      line(plot.left - 8, py(y) + 4, formatY(y), { size: 12, fill: grey, anchor: 'end' }),
    );
  }
  for (const x of xTicks) {
    parts.push(
      rule(px(x), plot.bottom, px(x), plot.bottom + 5, grey),
      line(px(x), plot.bottom + 20, formatX(x), { size: 12, fill: grey, anchor: 'middle' }),
    );
  }
  parts.push(
    rule(plot.left, plot.bottom, plot.right, plot.bottom, grey),
    line((plot.left + plot.right) / 2, height - 12, chart.xTitle, { anchor: 'middle' }),
    element('g', { transform: `translate(20 ${(plot.top + plot.bottom) / 2}) rotate(-90)` }, [
      line(0, 0, chart.yTitle, { anchor: 'middle' }),
    ]),
  );
  for (const { x } of marks)
    parts.push(rule(px(x), plot.top, px(x), plot.bottom, '#9aa5b1', { 'stroke-dasharray': '4 4' }));
  for (const curve of curves) parts.push(...drawCurve(curve, px, py));
  // Of two lines side by side each has its label on the outer side, where the other one does not cross it.
  const ordered = marks.toSorted((a, b) => a.x - b.x);
  for (const [i, { x, label }] of ordered.entries()) {
    const isBefore = ordered.length > 1 ? i === 0 : px(x) > (plot.left + plot.right) / 2;
    const y = labelMarksAt === 'top' ? plot.top + 14 + 16 * i : plot.bottom - 10 - 16 * i;
    parts.push(
      line(px(x) + (isBefore ? -6 : 6), y, label, {
        size: 12,
        fill: grey,
        anchor: isBefore ? 'end' : 'start',
        class: 'on',
      }),
    );
  }
  parts.push(...legend(curves));
  return `${element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      'font-family': 'system-ui, "DejaVu Sans", sans-serif',
      role: 'img',
      'aria-label': chart.subtitle === undefined ? chart.title : `${chart.title}. ${chart.subtitle}`,
    },
    parts,
  )}\n`;
}

function drawCurve(
  { points, colour, dashed, markers, clipped }: Curve,
  px: (x: number) => number,
  py: (y: number) => number,
): string[] {
  const shown = points.filter(({ x, y }) => Number.isFinite(x + y));
  const path = shown.map(({ x, y }) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(' ');
  const parts = [
    element('polyline', {
      points: path,
      fill: 'none',
      stroke: colour,
      'stroke-width': 2,
      'stroke-linejoin': 'round',
      'stroke-dasharray': dashed ? '6 5' : undefined,
      'clip-path': clipped ? 'url(#plot)' : undefined,
    }),
  ];
  for (const { x, y, spread } of shown) {
    if (spread !== undefined && spread > 0)
      parts.push(rule(px(x), py(y - spread), px(x), py(y + spread), colour));
    if (markers) parts.push(element('circle', { cx: px(x), cy: py(y), r: 3.5, fill: colour }));
  }
  return parts;
}

/** Above the plot, to the right. */
function legend(curves: readonly Curve[]): string[] {
  const parts: string[] = [];
  let x = plot.right;
  for (const { name, colour, dashed } of curves.toReversed()) {
    x -= 8 + 7 * name.length;
    parts.push(line(x, plot.top - 10, name, { size: 12, fill: grey }));
    x -= 26;
    parts.push(
      rule(x, plot.top - 14, x + 20, plot.top - 14, colour, {
        'stroke-dasharray': dashed ? '6 5' : undefined,
        'stroke-width': 2,
      }),
    );
    x -= 12;
  }
  return parts;
}

function rule(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  stroke: string,
  attributes: Attributes = {},
): string {
  return element('line', { x1, y1, x2, y2, stroke, 'stroke-width': 1, ...attributes });
}

function extent(values: readonly number[]): [number, number] {
  if (values.length === 0) return [0, 1];
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

function logTicks(low: number, high: number): number[] {
  const found: number[] = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
    for (const factor of high - low > 2.5 ? [1] : [1, 2, 5]) {
      const tick = factor * 10 ** power;
      if (Math.log10(tick) >= low - 1e-9 && Math.log10(tick) <= high + 1e-9) found.push(tick);
    }
  }
  return found;
}
