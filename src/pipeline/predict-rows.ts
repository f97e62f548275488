import { GraftError } from '../errors.js';
import { assertFinite } from '../predict/assert-finite.js';
import type { FeaturePredictor } from '../predict/feature-predictor.js';
import type { Hooks } from './cache-features.js';
import type { FeatureRows } from './feature-rows.js';

/** Bytes of features that are in memory at a time. */
const blockBytes = 16 * 2 ** 20;

/**
 * What a head says of these rows of a file, block by block: [rows.length, labels].
 * @param model - what the head is called in errors
 * @throws GraftError INVALID_DATASET for features of another length than the head takes, RUNTIME_FAILURE where it gives no finite
 *   numbers, INTERRUPTED.
 */
export async function predictRows(
  { predict, metadata, dim }: FeaturePredictor,
  file: FeatureRows,
  rows: ArrayLike<number>,
  model: string,
  { onProgress, signal }: Pick<Hooks, 'onProgress' | 'signal'>,
): Promise<Float32Array> {
  if (file.dim !== dim) {
    throw new GraftError(
      'INVALID_DATASET',
      `${file.path} holds ${file.dim} numbers a row, but ${model} takes ${dim}: ` +
        'name features that were made as those that it was trained on.',
    );
  }
  const width = metadata.labels.length;
  const outputs = new Float32Array(rows.length * width);
  const blockRows = Math.max(1, Math.floor(blockBytes / (4 * dim)));
  const block = new Float32Array(Math.min(rows.length, blockRows) * dim);
  for (let from = 0; from < rows.length; from += blockRows) {
    if (signal?.aborted) throw new GraftError('INTERRUPTED', `Stopped after ${from} of ${rows.length} rows.`);
    const chosen = Array.prototype.slice.call(rows, from, from + blockRows) as number[];
    const features = block.subarray(0, chosen.length * dim);
    await file.readRows(chosen, features);
    outputs.set(await predict(features), from * width);
    for (const [i, row] of chosen.entries()) {
      const own = outputs.subarray((from + i) * width, (from + i + 1) * width);
      assertFinite(own, `row ${row} of ${file.path}`);
    }
    onProgress?.({ done: from + chosen.length, total: rows.length });
  }
  return outputs;
}
