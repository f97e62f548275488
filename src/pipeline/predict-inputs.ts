/** `graft predict`: labels for images and folders of images, or for texts, files and lines of them. */
import { GraftError, messageOf, unreadable } from '../errors.js';
import { silentLogger } from '../logger.js';
import type { HeadMetadata } from '../models/model-metadata.js';
import { openPredictor } from '../predict/predictor.js';
import type { Device } from '../runtime/session.js';
import { readSource } from '../sources/read-source.js';
import type { Hooks } from './cache-features.js';
import { listInputs, type NamedInput } from './list-inputs.js';

export interface PredictOptions {
  readonly model: string;
  /** Paths of images or folders; for a model of texts also texts themselves. `-` stands for what `readLines` gives. */
  readonly inputs: readonly string[];
  /** The lines that `-` stands for: paths of images, or texts. */
  readonly readLines?: (() => Promise<readonly string[]>) | undefined;
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  readonly onError?: 'skip' | 'fail' | undefined;
}

export interface Prediction {
  /** The path, or the text where it was given itself. */
  readonly input: string;
  /** The likeliest class; with several labels an example those with 0.5 or more, joined by |. Absent for numbers. */
  readonly label?: string;
  /** Probability of the label; of the likeliest one where there may be several. */
  readonly score?: number;
  /** Probability by label. */
  readonly scores?: Readonly<Record<string, number>>;
  /** Where there may be several labels: those with 0.5 or more. */
  readonly labels?: readonly string[];
  /** Predicted numbers by name. */
  readonly values?: Readonly<Record<string, number>>;
}

const batchSize = 16;

/**
 * Predictions in the order of the inputs; a folder stands for the images or .txt files in it. What was named itself must be
 * readable; one met in a folder is left out with a warning unless `onError` is 'fail'.
 */
export async function predictInputs(options: PredictOptions, hooks: Hooks = {}): Promise<Prediction[]> {
  const { logger = silentLogger, onProgress, signal } = hooks;
  const predictor = await openPredictor(options.model, {
    device: options.device ?? 'auto',
    ...(options.threads && { threads: options.threads }),
  });
  try {
    const inputs = await listInputs(options, predictor.metadata.input.kind);
    const predictions: Prediction[] = [];
    for (let start = 0; start < inputs.length; start += batchSize) {
      if (signal?.aborted)
        throw new GraftError('INTERRUPTED', `Stopped after ${start} of ${inputs.length} inputs.`);
      const batch = inputs.slice(start, start + batchSize);
      const rows = await predictBatch(batch, predictor.predict, (input, error) => {
        if (input.isNamed || options.onError === 'fail') {
          const code = error instanceof GraftError ? error.code : 'INVALID_IMAGE';
          throw new GraftError(code, `Cannot predict ${input.path}: ${messageOf(error)}`, { cause: error });
        }
        logger.warn(`Left out ${input.path}: ${messageOf(error)}`);
      });
      for (const { input, probabilities } of rows)
        predictions.push(describePrediction(input.path, probabilities, predictor.metadata));
      onProgress?.({ done: start + batch.length, total: inputs.length });
    }
    return predictions;
  } finally {
    await predictor.release();
  }
}

interface Row {
  readonly input: NamedInput;
  readonly probabilities: Float32Array;
}

async function predictBatch(
  batch: readonly NamedInput[],
  predict: (examples: readonly Uint8Array[]) => Promise<Float32Array>,
  onFailure: (input: NamedInput, error: unknown) => void,
): Promise<Row[]> {
  const read: { input: NamedInput; bytes: Uint8Array }[] = [];
  for (const input of batch) {
    try {
      read.push({ input, bytes: (await readSource(input)).bytes });
    } catch (error) {
      onFailure(input, unreadable(input.path, error));
    }
  }
  if (read.length === 0) return [];
  try {
    const probabilities = await predict(read.map(({ bytes }) => bytes));
    const classCount = probabilities.length / read.length;
    return read.map(({ input }, i) => ({
      input,
      probabilities: probabilities.subarray(i * classCount, (i + 1) * classCount),
    }));
  } catch (error) {
    if (!(error instanceof GraftError) || !['INVALID_IMAGE', 'INVALID_TEXT'].includes(error.code))
      throw error;
    // One broken example fails its batch: find it by going one by one.
    if (batch.length === 1) {
      onFailure(batch[0]!, error);
      return [];
    }
    const rows: Row[] = [];
    for (const input of batch) rows.push(...(await predictBatch([input], predict, onFailure)));
    return rows;
  }
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
