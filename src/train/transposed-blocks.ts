/**
 * The blocks of a set, each with its transpose: Xᵀ dY reads X across its rows, which a matrix kernel turns a panel at a
 * time in every pass. With few columns in dY that took longer than the product.
 */
import { freeMemory } from '../free-memory.js';
import { transpose } from '../simd/matrix-rows.js';
import { blocksOf, type FeatureBlock, rowsFor } from './feature-blocks.js';
import type { AnyFeatureSet } from './feature-set.js';

export interface TransposedBlock extends FeatureBlock {
  /** [dim, to - from]; lent until the next block. */
  readonly transposed: Float32Array;
}

export interface TransposedBlocks {
  /** Begins a pass; only one may run at a time. */
  pass(): AsyncGenerator<TransposedBlock>;
}

/** Share of the free memory that kept transposes may take. */
const shareOfMemory = 0.25;

/**
 * @param keep - whether there will be many passes: transposes of features in memory are then kept while they take no more
 *   than a quarter of what memory is free; else they are made anew in each
 */
export function transposedBlocks(
  { features, dim, rows, classes }: Pick<AnyFeatureSet, 'features' | 'dim' | 'rows' | 'classes'>,
  keep = false,
): TransposedBlocks {
  const size = rowsFor(classes.length);
  const blocks = blocksOf({ features, dim, rows }, size);
  const isKept =
    keep && features instanceof Float32Array && features.byteLength <= shareOfMemory * freeMemory();
  const kept = new Map<number, Float32Array>();
  let memory = new Float32Array(0);
  const memoryFor = (length: number): Float32Array => {
    if (isKept) return new Float32Array(length);
    if (memory.length < length) memory = new Float32Array(Math.min(size, rows) * dim);
    return memory.subarray(0, length);
  };
  return {
    async *pass() {
      for await (const block of blocks()) {
        let transposed = kept.get(block.from);
        if (!transposed) {
          transposed = memoryFor(block.values.length);
          transpose(block.values, dim, transposed);
          if (isKept) kept.set(block.from, transposed);
        }
        yield { ...block, transposed };
      }
    },
  };
}
