/** `graft predict`: labels for images and folders of images. */
import { stat } from 'node:fs/promises';
import { GraftError, messageOf, unreadable } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import { silentLogger } from '../logger.js';
import type { ModelMetadata } from '../models/model-metadata.js';
import { openPredictor } from '../predict/predictor.js';
import type { Device } from '../runtime/session.js';
import { listFiles } from '../sources/list-files.js';
import { readFileContent } from '../sources/read-file.js';
import type { Hooks } from './cache-features.js';

export interface PredictOptions {
  readonly model: string;
  readonly inputs: readonly string[];
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  readonly onError?: 'skip' | 'fail' | undefined;
}

export interface Prediction {
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
 * Predictions in the order of the inputs; a folder stands for the images in it. An image that was named itself
 * must be readable; one met in a folder is left out with a warning unless `onError` is 'fail'.
 */
export async function predictInputs(options: PredictOptions, hooks: Hooks = {}): Promise<Prediction[]> {
  const { logger = silentLogger, onProgress, signal } = hooks;
  const images = await listImages(options.inputs);
  const predictor = await openPredictor(options.model, {
    device: options.device ?? 'auto',
    ...(options.threads && { threads: options.threads }),
  });
  try {
    const predictions: Prediction[] = [];
    for (let start = 0; start < images.length; start += batchSize) {
      if (signal?.aborted)
        throw new GraftError('INTERRUPTED', `Stopped after ${start} of ${images.length} images.`);
      const batch = images.slice(start, start + batchSize);
      const rows = await predictBatch(batch, predictor.predict, (image, error) => {
        if (image.named || options.onError === 'fail') {
          throw new GraftError('INVALID_IMAGE', `Cannot predict ${image.path}: ${messageOf(error)}`, {
            cause: error,
          });
        }
        logger.warn(`Left out ${image.path}: ${messageOf(error)}`);
      });
      for (const { image, probabilities } of rows)
        predictions.push(describe(image.path, probabilities, predictor.metadata));
      onProgress?.({ done: start + batch.length, total: images.length });
    }
    return predictions;
  } finally {
    await predictor.release();
  }
}

interface NamedImage {
  readonly path: string;
  /** Named by the user, not met in a folder. */
  readonly named: boolean;
}

async function listImages(inputs: readonly string[]): Promise<NamedImage[]> {
  const images: NamedImage[] = [];
  for (const input of inputs) {
    const info = await stat(input).catch((error: unknown) => {
      throw unreadable(input, error);
    });
    if (!info.isDirectory()) {
      images.push({ path: input, named: true });
      continue;
    }
    const before = images.length;
    for await (const file of listFiles(input))
      if (isImagePath(file)) images.push({ path: file, named: false });
    if (images.length === before)
      throw new GraftError('INVALID_DATASET', `There is no image in the folder ${input}.`);
  }
  return images;
}

async function predictBatch(
  batch: readonly NamedImage[],
  predict: (images: readonly Uint8Array[]) => Promise<Float32Array>,
  onFailure: (image: NamedImage, error: unknown) => void,
): Promise<{ image: NamedImage; probabilities: Float32Array }[]> {
  const read: { image: NamedImage; bytes: Uint8Array }[] = [];
  for (const image of batch) {
    try {
      read.push({ image, bytes: (await readFileContent(image.path)).bytes });
    } catch (error) {
      onFailure(image, unreadable(image.path, error));
    }
  }
  if (read.length === 0) return [];
  try {
    const probabilities = await predict(read.map(({ bytes }) => bytes));
    const classCount = probabilities.length / read.length;
    return read.map(({ image }, i) => ({
      image,
      probabilities: probabilities.subarray(i * classCount, (i + 1) * classCount),
    }));
  } catch (error) {
    if (!(error instanceof GraftError) || error.code !== 'INVALID_IMAGE') throw error;
    // One broken image fails its batch: find it by going one by one.
    if (batch.length === 1) {
      onFailure(batch[0]!, error);
      return [];
    }
    const rows: { image: NamedImage; probabilities: Float32Array }[] = [];
    for (const image of batch) rows.push(...(await predictBatch([image], predict, onFailure)));
    return rows;
  }
}

function describe(
  input: string,
  outputs: Float32Array,
  { labels: names, task }: Pick<ModelMetadata, 'labels' | 'task'>,
): Prediction {
  const byName = Object.fromEntries(names.map((name, i) => [name, outputs[i]!]));
  if (task === 'regression') return { input, values: byName };
  const best = outputs.indexOf(outputs.reduce((a, b) => Math.max(a, b)));
  const score = outputs[best]!;
  if (task !== 'multi') return { input, label: names[best]!, score, scores: byName };
  const labels = names.filter((_, i) => outputs[i]! >= 0.5);
  return { input, label: labels.join('|'), score, scores: byName, labels };
}
