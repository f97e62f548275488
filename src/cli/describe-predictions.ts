import type { Prediction } from '../pipeline/predict-inputs.js';
import { beginningOf, endOf } from '../shorten-text.js';
import { formatShare, formatTable } from './format-text.js';

/** A line for each input that was not left out: what it is called, and what the model says. */
export function describePredictions(predictions: readonly Prediction[]): string {
  const told = predictions.filter(({ reason }) => reason === undefined);
  const rows = told.map(({ input, label, score, values }) =>
    values
      ? [shorten(input), ...Object.entries(values).map(([name, value]) => `${name} ${value.toPrecision(5)}`)]
      : [shorten(input), label === '' ? '(none)' : label!, formatShare(score!)],
  );
  return formatTable(rows);
}

/** An input may be a whole text; of a path its end matters. */
function shorten(input: string): string {
  const line = input.replace(/\s+/g, ' ');
  return line.length > 80 ? `${beginningOf(line, 39)}…${endOf(line, 40)}` : line;
}
