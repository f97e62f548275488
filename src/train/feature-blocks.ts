/** All features of a set from the first row to the last, a block at a time, whether they are in memory or on disk. */
import type { AnyFeatureSet } from './feature-set.js';
import { batchMemory, inOrder, readBatches } from './read-batches.js';

/** Rows a block: bounds the memory of what is computed of them, and the length of float32 sums. */
export const blockRows = 8192;
/** Outputs of all rows of a block, about: a training pass holds some ten to twenty numbers for each. */
const mostOutputs = 2 ** 23;

/** Rows a block where so many outputs are computed of each row: fewer where there are more than 1024. */
export function rowsFor(outputs: number): number {
  return Math.max(1, Math.min(blockRows, Math.floor(mostOutputs / outputs)));
}

export interface FeatureBlock {
  readonly from: number;
  /** The row after the last. */
  readonly to: number;
  /** [to - from, dim]; of a set on disk, used again two blocks later. */
  readonly values: Float32Array;
}

/**
 * One pass after another over the same set; of a set on disk they share their memory, so only one may run at a time.
 * @returns begins a pass
 */
export function blocksOf(
  { features, dim, rows }: Pick<AnyFeatureSet, 'features' | 'dim' | 'rows'>,
  size = blockRows,
): () => AsyncGenerator<FeatureBlock> {
  if (features instanceof Float32Array) {
    return async function* () {
      for (let from = 0; from < rows; from += size) {
        const to = Math.min(rows, from + size);
        yield { from, to, values: features.subarray(from * dim, to * dim) };
      }
    };
  }
  const order = inOrder(rows);
  const memory = batchMemory(features, size);
  return async function* () {
    for await (const { rows: block, values } of readBatches(features, order, size, memory)) {
      const from = block[0]!;
      yield { from, to: from + block.length, values };
    }
  };
}
