/** Figures of an evaluation as lines for people. */
import { formatShare } from './format-text.js';

interface Shown {
  readonly title: string;
  readonly format: (value: number) => string;
}

const decimals = (value: number): string => value.toFixed(4);
const digits = (value: number): string => value.toPrecision(4);
const shown: Readonly<Record<string, Shown>> = {
  accuracy: { title: 'accuracy', format: formatShare },
  balancedAccuracy: { title: 'balanced accuracy', format: formatShare },
  top3: { title: 'top 3', format: formatShare },
  top5: { title: 'top 5', format: formatShare },
  macroF1: { title: 'macro F1', format: formatShare },
  microF1: { title: 'micro F1', format: formatShare },
  rocAuc: { title: 'ROC AUC', format: decimals },
  averagePrecision: { title: 'average precision', format: decimals },
  ece: { title: 'ECE', format: decimals },
  meanSteps: { title: 'mean steps off', format: digits },
  r2: { title: 'R²', format: decimals },
  mae: { title: 'mean absolute error', format: digits },
  rmse: { title: 'RMSE', format: digits },
};

/** @example describeMetrics({ accuracy: 0.9, intervals: { accuracy: { low: 0.8, high: 0.95 } } }) // ['accuracy 90.0 % (80.0 % to 95.0 %)'] */
export function describeMetrics(metrics: Readonly<Record<string, unknown>>): string[] {
  const intervals = (metrics.intervals ?? {}) as Readonly<Record<string, { low: number; high: number }>>;
  const cells = Object.entries(shown).flatMap(([name, { title, format }]) => {
    const value = metrics[name];
    if (typeof value !== 'number') return [];
    const interval = intervals[name];
    return [
      `${title} ${format(value)}${interval ? ` (${format(interval.low)} to ${format(interval.high)})` : ''}`,
    ];
  });
  const lines: string[] = [];
  for (const cell of cells) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + cell.length < 90) lines[lines.length - 1] = `${last}  ${cell}`;
    else lines.push(cell);
  }
  return lines;
}
