/** `graft predict`: labels for images and folders of images, or for texts, files and lines of them. */
import type { TableInputOptions } from '../dataset/table-inputs.js';
import { GraftError, isInterruption } from '../errors.js';
import { silentLogger } from '../logger.js';
import type { HeadMetadata } from '../models/model-metadata.js';
import { shortenText } from '../shorten-text.js';
import { type AskOptions, contentOf, openExported } from './ask-model.js';
import type { Hooks } from './cache-features.js';
import { listInputs, type ListedInput } from './list-inputs.js';

export interface PredictOptions extends AskOptions, TableInputOptions {
  readonly model: string;
  /** Paths of images, folders or tables; for a model of texts also texts themselves. `-` stands for what `readLines` gives. */
  readonly inputs: readonly string[];
  /** The lines that `-` stands for: paths of images, or texts. */
  readonly readLines?: (() => Promise<readonly string[]>) | undefined;
  readonly onError?: 'skip' | 'fail' | undefined;
}

export interface Prediction {
  /** The path, or the text where it was given itself. */
  readonly input: string;
  /** The likeliest class; with several labels an example those with 0.5 or more, joined by |. Absent for numbers. */
  readonly label?: string | null;
  /** Probability of the label; of the likeliest one where there may be several. */
  readonly score?: number | null;
  /** Probability by label. */
  readonly scores?: Readonly<Record<string, number>> | null;
  /** Where there may be several labels: those with 0.5 or more. */
  readonly labels?: readonly string[];
  /** Predicted numbers by name. */
  readonly values?: Readonly<Record<string, number>> | null;
  /** Why the input was left out; everything else is null then. */
  readonly reason?: string;
}

/**
 * Predictions in the order of the inputs; a folder stands for the images or .txt files in it, a table for its rows. An input that cannot be used is
 * left out, with a warning and with its reason in its place, unless `onError` is 'fail'.
 * @throws GraftError what was wrong with the first input where none could be used, or with any and `onError` 'fail'
 */
export async function predictInputs(options: PredictOptions, hooks: Hooks = {}): Promise<Prediction[]> {
  const { logger = silentLogger, onProgress, signal } = hooks;
  const { metadata, ask } = await openExported(options.model, options);
  const inputs = await listInputs(options, metadata.input.kind, logger);
  const predictions: Prediction[] = [];
  let firstFailure: GraftError | undefined;
  for await (const outcomes of ask(
    inputs.length,
    async (index) => inputs[index]!.error ?? contentOf(inputs[index]!, signal),
  )) {
    for (const outcome of outcomes) {
      const input = inputs[predictions.length]!;
      if (!(outcome instanceof GraftError)) {
        predictions.push(describePrediction(input.path, outcome, metadata));
        continue;
      }
      if (isInterruption(outcome)) throw stoppedAfter(predictions.length, inputs.length);
      firstFailure ??= cannotPredict(input, outcome);
      if (options.onError === 'fail') throw firstFailure;
      logger.warn(`Left out ${quoteInput(input)}: ${outcome.message}`);
      predictions.push(describeLeftOut(input.path, outcome.message, metadata));
    }
    onProgress?.({ done: predictions.length, total: inputs.length });
    if (signal?.aborted && predictions.length < inputs.length)
      throw stoppedAfter(predictions.length, inputs.length);
  }
  if (firstFailure && predictions.every(({ reason }) => reason !== undefined)) throw firstFailure;
  return predictions;
}

function stoppedAfter(done: number, total: number): GraftError {
  return new GraftError('INTERRUPTED', `Stopped after ${done} of ${total} inputs.`);
}

/** A message of the file system names its path itself. */
function cannotPredict(input: ListedInput, error: GraftError): GraftError {
  if (input.error) return error;
  return new GraftError(error.code, `Cannot predict ${quoteInput(input)}: ${error.message}`, {
    cause: error,
  });
}

/** A text may be empty, or a line of any length. */
function quoteInput({ path, source }: ListedInput): string {
  if (source === undefined) return path;
  return JSON.stringify(shortenText(path, 80));
}

function describeLeftOut(input: string, reason: string, { task }: HeadMetadata): Prediction {
  if (task === 'regression') return { input, values: null, reason };
  return { input, label: null, score: null, scores: null, reason };
}

/** @param outputs - probabilities or numbers, in the order of the labels */
export function describePrediction(
  input: string,
  outputs: Float32Array,
  { labels: names, task }: HeadMetadata,
): Prediction {
  const byName = Object.fromEntries(names.map((name, i) => [name, outputs[i]!]));
  if (task === 'regression') return { input, values: byName };
  const best = outputs.indexOf(outputs.reduce((a, b) => Math.max(a, b)));
  const score = outputs[best]!;
  if (task !== 'multi') return { input, label: names[best]!, score, scores: byName };
  const labels = names.filter((_, i) => outputs[i]! >= 0.5);
  return { input, label: labels.join('|'), score, scores: byName, labels };
}
