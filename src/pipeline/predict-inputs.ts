/** `graft predict`: labels for images and folders of images, or for texts, files and lines of them. */
import { GraftError, unreadable } from '../errors.js';
import { silentLogger } from '../logger.js';
import type { HeadMetadata } from '../models/model-metadata.js';
import { assertFinite } from '../predict/assert-finite.js';
import { openPredictor } from '../predict/predictor.js';
import type { Device } from '../runtime/session.js';
import { shortenText } from '../shorten-text.js';
import { readSource } from '../sources/read-source.js';
import type { Hooks } from './cache-features.js';
import { listInputs, type ListedInput } from './list-inputs.js';

export interface PredictOptions {
  readonly model: string;
  /** Paths of images or folders; for a model of texts also texts themselves. `-` stands for what `readLines` gives. */
  readonly inputs: readonly string[];
  /** The lines that `-` stands for: paths of images, or texts. */
  readonly readLines?: (() => Promise<readonly string[]>) | undefined;
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** Examples a run of the model. */
  readonly batch?: number | undefined;
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

const usualBatch = 16;

/**
 * Predictions in the order of the inputs; a folder stands for the images or .txt files in it. An input that cannot be used is
 * left out, with a warning and with its reason in its place, unless `onError` is 'fail'.
 * @throws GraftError what was wrong with the first input where none could be used, or with any and `onError` 'fail'
 */
export async function predictInputs(options: PredictOptions, hooks: Hooks = {}): Promise<Prediction[]> {
  const { logger = silentLogger, onProgress, signal } = hooks;
  const { batch: batchSize = usualBatch } = options;
  const predictor = await openPredictor(options.model, {
    device: options.device ?? 'auto',
    ...(options.threads && { threads: options.threads }),
  });
  const { metadata, predict } = predictor;
  try {
    const inputs = await listInputs(options, metadata.input.kind);
    const predictions: Prediction[] = [];
    let firstFailure: GraftError | undefined;
    for (let start = 0; start < inputs.length; start += batchSize) {
      if (signal?.aborted)
        throw new GraftError('INTERRUPTED', `Stopped after ${start} of ${inputs.length} inputs.`);
      const batch = inputs.slice(start, start + batchSize);
      for (const [i, outcome] of (await predictBatch(batch, predict)).entries()) {
        const input = batch[i]!.path;
        if (!(outcome instanceof GraftError)) {
          predictions.push(describePrediction(input, outcome, metadata));
          continue;
        }
        firstFailure ??= cannotPredict(batch[i]!, outcome);
        if (options.onError === 'fail') throw firstFailure;
        logger.warn(`Left out ${quoteInput(batch[i]!)}: ${outcome.message}`);
        predictions.push(describeLeftOut(input, outcome.message, metadata));
      }
      onProgress?.({ done: start + batch.length, total: inputs.length });
    }
    if (firstFailure && predictions.every(({ reason }) => reason !== undefined)) throw firstFailure;
    return predictions;
  } finally {
    await predictor.release();
  }
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

/** Of each input what the model says, or why it cannot be asked. */
async function predictBatch(
  batch: readonly ListedInput[],
  predict: (examples: readonly Uint8Array[]) => Promise<Float32Array>,
): Promise<(Float32Array | GraftError)[]> {
  const contents = await Promise.all(batch.map(readContent));
  const good = contents.filter((content) => content instanceof Uint8Array);
  const outputs = await predictContents(good, predict);
  return contents.map((content) => (content instanceof GraftError ? content : finite(outputs.shift()!)));
}

function finite(outcome: Float32Array | GraftError): Float32Array | GraftError {
  if (outcome instanceof GraftError) return outcome;
  try {
    assertFinite(outcome);
    return outcome;
  } catch (error) {
    return error as GraftError;
  }
}

async function readContent(input: ListedInput): Promise<Uint8Array | GraftError> {
  if (input.error) return input.error;
  try {
    return (await readSource(input)).bytes;
  } catch (error) {
    return unreadable(input.path, error);
  }
}

async function predictContents(
  contents: readonly Uint8Array[],
  predict: (examples: readonly Uint8Array[]) => Promise<Float32Array>,
): Promise<(Float32Array | GraftError)[]> {
  if (contents.length === 0) return [];
  try {
    const outputs = await predict(contents);
    const width = outputs.length / contents.length;
    return contents.map((_, i) => outputs.subarray(i * width, (i + 1) * width));
  } catch (error) {
    if (!(error instanceof GraftError) || !['INVALID_IMAGE', 'INVALID_TEXT'].includes(error.code))
      throw error;
    if (contents.length === 1) return [error];
    // One broken example fails its batch: find it by going one by one.
    const outcomes: (Float32Array | GraftError)[] = [];
    for (const content of contents) outcomes.push(...(await predictContents([content], predict)));
    return outcomes;
  }
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
