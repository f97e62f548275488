/** What a model says of one example, in its own names. */
import { GraftError } from '../errors.js';
import type { HeadMetadata } from '../models/model-metadata.js';
import type { TextPair } from '../sources/text-pair.js';

export interface RankedLabel {
  readonly label: string;
  readonly score: number;
}

export interface Prediction {
  /** The path, or the text where it was given itself; of a pair both, with a bar between. */
  readonly input: string;
  /** The texts of a pair. */
  readonly texts?: TextPair;
  /** The likeliest class; with several labels an example those with 0.5 or more, joined by |. Absent for numbers. */
  readonly label?: string | null;
  /** Probability of the label; of the likeliest one where there may be several. */
  readonly score?: number | null;
  /** Probability by label. */
  readonly scores?: Readonly<Record<string, number>> | null;
  /** Where they were asked for: the likeliest labels, the likeliest first. */
  readonly top?: readonly RankedLabel[] | null;
  /** Where there may be several labels: those with 0.5 or more. */
  readonly labels?: readonly string[];
  /** Predicted numbers by name. */
  readonly values?: Readonly<Record<string, number>> | null;
  /** True of a text that is longer than what the model reads; absent otherwise. */
  readonly isCut?: true;
  /** Why the input was left out; everything else is null then. */
  readonly reason?: string;
}

/**
 * @param outputs - probabilities or numbers, in the order of the labels
 * @param top - how many of the likeliest labels are listed; undefined for no list
 */
export function describePrediction(
  input: string,
  outputs: Float32Array,
  { labels: names, task }: HeadMetadata,
  top?: number,
): Prediction {
  const byName = Object.fromEntries(names.map((name, i) => [name, outputs[i]!]));
  if (task === 'regression') return { input, values: byName };
  const best = outputs.indexOf(outputs.reduce((a, b) => Math.max(a, b)));
  const score = outputs[best]!;
  const ranked = top === undefined ? {} : { top: likeliest(names, outputs, top) };
  if (task !== 'multi') return { input, label: names[best]!, score, scores: byName, ...ranked };
  const labels = names.filter((_, i) => outputs[i]! >= 0.5);
  return { input, label: labels.join('|'), score, scores: byName, labels, ...ranked };
}

export function describeLeftOut(
  input: string,
  reason: string,
  { task }: HeadMetadata,
  top?: number,
): Prediction {
  if (task === 'regression') return { input, values: null, reason };
  return {
    ...{ input, label: null, score: null, scores: null },
    ...(top !== undefined && { top: null }),
    reason,
  };
}

/** @throws GraftError USAGE for the likeliest labels of a model that predicts numbers. */
export function assertRankable(
  { top, model }: { readonly top?: number | undefined; readonly model: string },
  { task }: HeadMetadata,
): void {
  if (top === undefined || task !== 'regression') return;
  throw new GraftError(
    'USAGE',
    `--top lists the likeliest labels, but ${model} predicts numbers; leave --top away.`,
  );
}

/** Of equal scores the first label comes first. */
function likeliest(names: readonly string[], scores: Float32Array, most: number): RankedLabel[] {
  const order = Array.from(names.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.slice(0, most).map((i) => ({ label: names[i]!, score: scores[i]! }));
}
