/** `graft predict`: labels for images and folders of images, or for texts, files and lines of them. */
import type { TableInputOptions } from '../dataset/table-inputs.js';
import { GraftError, invalidArgument, isInterruption } from '../errors.js';
import { silentLogger } from '../logger.js';
import { shortenText } from '../shorten-text.js';
import { type AskOptions, contentOf, openExported } from './ask-model.js';
import type { Hooks } from './cache-features.js';
import { checkOptions } from './check-options.js';
import {
  assertRankable,
  describeLeftOut,
  describePrediction,
  type Prediction,
} from './describe-prediction.js';
import { kindTaken } from './assert-same-kind.js';
import { listInputs, type ListedInput } from './list-inputs.js';
import { sayCut } from './say-cut.js';

export interface PredictOptions extends AskOptions, TableInputOptions {
  readonly model: string;
  /** Paths of images, folders, tables, archives or Parquet files; for a model of texts also texts themselves, of pairs the two one after the other. `-` stands for what `readLines` gives. */
  readonly inputs: readonly string[];
  /** The lines that `-` stands for: paths of images, texts, or pairs of texts with a tab between. */
  readonly readLines?: (() => Promise<readonly string[]>) | undefined;
  readonly onError?: 'skip' | 'fail' | undefined;
  /** Also the so many likeliest labels of each input. */
  readonly top?: number | undefined;
}

/**
 * Predictions in the order of the inputs; a folder stands for the images or .txt files in it (else for its tables or archives),
 * a table for its rows, an archive for its images. An input that cannot be used is
 * left out, with a warning and with its reason in its place, unless `onError` is 'fail'.
 * @throws GraftError what was wrong with the first input where none could be used, or with any and `onError` 'fail'; USAGE for the likeliest
 *   labels of a model that predicts numbers
 */
export async function predictInputs(options: PredictOptions, hooks: Hooks = {}): Promise<Prediction[]> {
  checkOptions(options, ['model']);
  if (!Array.isArray(options.inputs))
    throw invalidArgument('inputs', 'a list of paths or texts', options.inputs);
  const { logger = silentLogger, onProgress, signal } = hooks;
  const { metadata, ask } = await openExported(options.model, options);
  assertRankable(options, metadata);
  const inputs = await listInputs(options, kindTaken(metadata.input), logger);
  const predictions: Prediction[] = [];
  const cut = new Set<number>();
  let firstFailure: GraftError | undefined;
  for await (const outcomes of ask(
    inputs.length,
    async (index) => inputs[index]!.error ?? contentOf(inputs[index]!, signal),
    (index) => cut.add(index),
  )) {
    for (const outcome of outcomes) {
      const at = predictions.length;
      const input = inputs[at]!;
      if (!(outcome instanceof GraftError)) {
        const prediction = {
          ...describePrediction(input.path, outcome, metadata, options.top),
          ...textsOf(input),
        };
        predictions.push(cut.has(at) ? { ...prediction, isCut: true } : prediction);
        continue;
      }
      if (isInterruption(outcome)) throw stoppedAfter(predictions.length, inputs.length);
      firstFailure ??= cannotPredict(input, outcome);
      // A warning would say the same once more.
      if (options.onError === 'fail' || inputs.length === 1) throw firstFailure;
      logger.warn(`Left out ${quoteInput(input)}: ${outcome.message}`);
      predictions.push({
        ...describeLeftOut(input.path, outcome.message, metadata, options.top),
        ...textsOf(input),
      });
    }
    onProgress?.({ done: predictions.length, total: inputs.length });
    if (signal?.aborted && predictions.length < inputs.length)
      throw stoppedAfter(predictions.length, inputs.length);
  }
  sayCut(cut.size, inputs.length, metadata.input, logger);
  if (firstFailure && predictions.every(({ reason }) => reason !== undefined)) throw firstFailure;
  return predictions;
}

function stoppedAfter(done: number, total: number): GraftError {
  return new GraftError('INTERRUPTED', `Stopped after ${done} of ${total} inputs.`);
}

function textsOf({ source }: ListedInput): Pick<Prediction, 'texts'> {
  return source?.kind === 'pair' ? { texts: source.texts } : {};
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
  if (source === undefined && path !== '') return path;
  return JSON.stringify(shortenText(path, 80));
}
