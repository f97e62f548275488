import type { Prediction } from '../pipeline/describe-prediction.js';
import { beginningOf, endOf } from '../shorten-text.js';
import { formatShare, formatTable } from './format-text.js';

/** A line for each input that was not left out: what it is called, and what the model says. */
export function describePredictions(predictions: readonly Prediction[]): string {
  const told = predictions.filter(({ reason }) => reason === undefined);
  return formatTable(
    told.map((prediction) => {
      const { input, texts = [input] } = prediction;
      return [texts.map(shorten).join(' | '), ...answerOf(prediction)];
    }),
  );
}

function answerOf({ label, score, values, top }: Prediction): string[] {
  if (values) return Object.entries(values).map(([name, value]) => `${name} ${value.toPrecision(5)}`);
  if (top) return top.flatMap((ranked) => [ranked.label, formatShare(ranked.score)]);
  return [label === '' ? '(none)' : label!, formatShare(score!)];
}

/** An input may be a whole text; of a path its end matters. */
function shorten(input: string): string {
  const line = input.replace(/\s+/g, ' ');
  return line.length > 80 ? `${beginningOf(line, 39)}…${endOf(line, 40)}` : line;
}
