/**
 * The blocks of a set, each with its transpose: Xᵀ dY reads X across its rows, which a matrix kernel turns a panel at a
 * time in every pass. With few columns in dY that took longer than the product.
 */
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import { float32 } from '../tensor/tensor.js';
import { blockRows, blocksOf, type FeatureBlock } from './feature-blocks.js';
import type { AnyFeatureSet } from './feature-set.js';
import { trainingOpset } from './gradient-graph.js';

export interface TransposedBlock extends FeatureBlock {
  /** [dim, to - from]; lent until the next block. */
  readonly transposed: Float32Array;
}

export interface TransposedBlocks {
  /** Begins a pass; only one may run at a time. */
  pass(): AsyncGenerator<TransposedBlock>;
  release(): Promise<void>;
}

/** Share of the free memory that kept transposes may take. */
const shareOfMemory = 0.25;

/**
 * Of features in memory, transposes are kept from the second pass on (many need but one) while they take no more than a
 * quarter of what memory is free; else they are made anew in each. The values are the same.
 */
export async function openTransposedBlocks(
  { features, dim, rows }: Pick<AnyFeatureSet, 'features' | 'dim' | 'rows'>,
  threads?: number,
): Promise<TransposedBlocks> {
  const builder = new GraphBuilder({ opset: trainingOpset });
  const input = builder.input('values', 'float32', ['rows', dim]);
  const turned = builder.op('Transpose', [input], { attributes: { perm: [1, 0] } });
  builder.output(turned, 'float32', [dim, 'rows']);
  const session = await openSession(encodeModel(builder.model()), threads === undefined ? {} : { threads });
  const blocks = blocksOf({ features, dim, rows });
  const isKept =
    features instanceof Float32Array && features.byteLength <= shareOfMemory * process.availableMemory();
  const kept = new Map<number, Float32Array>();
  let passes = 0;
  let memory = new Float32Array(0);
  const memoryFor = (length: number): Float32Array => {
    if (isKept && passes > 1) return new Float32Array(length);
    if (memory.length < length) memory = new Float32Array(Math.min(blockRows, rows) * dim);
    return memory.subarray(0, length);
  };
  return {
    async *pass() {
      passes++;
      for await (const block of blocks()) {
        let transposed = kept.get(block.from);
        if (!transposed) {
          transposed = memoryFor(block.values.length);
          const count = block.to - block.from;
          await session.run(
            { [input]: float32([count, dim], block.values) },
            { [turned]: float32([dim, count], transposed) },
          );
          if (isKept && passes > 1) kept.set(block.from, transposed);
        }
        yield { ...block, transposed };
      }
    },
    release: () => session.release(),
  };
}
