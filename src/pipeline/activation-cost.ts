/** What unfreezing costs, told and checked before anything is computed: disk for the activations, memory for a step. */
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { GraftError } from '../errors.js';
import { FeatureStore } from '../features/feature-store.js';
import { keyBytes } from '../features/key-index.js';
import { freeMemory } from '../free-memory.js';
import type { Logger } from '../logger.js';
import { sizeOf } from '../tensor/shape.js';
import { defaultBatch } from '../train/fine-tune-options.js';
import { buildTailGraph } from '../train/tail-step.js';
import { featuresFolder } from './cache-folder.js';
import { formatBytes } from './format-bytes.js';
import { storeOf } from './prepare-backbone.js';
import type { UnfrozenBackbone } from './prepare-tail.js';
import type { TrainOptions } from './training-run.js';

/** Numbers kept of each weight: itself, its gradient, two moments, the best so far, the session's own. */
const copiesOfWeights = 6;
/** Share of the free memory that a step may be expected to take. */
const memoryShare = 0.8;

/**
 * @throws GraftError NO_GRADIENT_RULE or UNSUPPORTED_MODEL where the tail cannot be trained; FILE_UNWRITABLE where the
 *   disk has no room for the activations that are still to be computed; OUT_OF_MEMORY where a step does not fit.
 */
export async function assessCost(
  { frozen, tail }: UnfrozenBackbone,
  examples: number,
  options: TrainOptions,
  logger: Logger,
): Promise<void> {
  const { dtype = 'float32', batch = defaultBatch } = options;
  const rowBytes = frozen.dim * (dtype === 'float16' ? 2 : 4);
  const shapes = tail.crossing.map(({ name, dims }) => `${name} ${dims.join('x')}`).join(', ');
  const { weights, bytesPerExample, fixedBytes } = await buildTailGraph(tail, {
    head: { kind: 'linear' },
    task: 'single',
    outputCount: 2,
  });
  const parameters = [...weights.values()].reduce((sum, { dims }) => sum + sizeOf(dims), 0);
  const stepBytes = bytesPerExample * batch + fixedBytes + 4 * copiesOfWeights * parameters;
  logger.info(
    `Unfrozen after ${shapes}: ${parameters.toLocaleString('en')} weights. Activations take ${formatBytes(rowBytes * examples)} ` +
      `of disk for ${examples} examples as ${dtype}` +
      (dtype === 'float32' ? ' (half of it with --dtype float16)' : '') +
      `; they are read as they are needed. A step of ${batch} examples takes about ${formatBytes(stepBytes)} of memory.`,
  );
  const free = freeMemory();
  if (stepBytes > memoryShare * free) {
    throw new GraftError(
      'OUT_OF_MEMORY',
      `A training step of ${batch} examples after ${shapes} takes about ${formatBytes(stepBytes)}, but ${formatBytes(free)} of memory is free; ` +
        'lower --batch or unfreeze a later layer.',
    );
  }
  await assertDiskHolds(frozen, { rowBytes, examples, dtype, cache: options.cache });
}

async function assertDiskHolds(
  frozen: UnfrozenBackbone['frozen'],
  {
    rowBytes,
    examples,
    dtype,
    cache,
  }: {
    rowBytes: number;
    examples: number;
    dtype: 'float32' | 'float16';
    cache: string | undefined;
  },
): Promise<void> {
  const folder = featuresFolder(cache);
  const store = await FeatureStore.open(folder, storeOf(frozen, dtype));
  const missing = Math.max(0, examples - store.rowKeys().length / keyBytes);
  const { bavail, bsize } = await statfs(store.folder);
  if (missing * rowBytes <= bavail * bsize) return;
  throw new GraftError(
    'FILE_UNWRITABLE',
    `The activations of ${missing} examples take ${formatBytes(missing * rowBytes)}, but the disk of ${path.resolve(folder)} has ` +
      `${formatBytes(bavail * bsize)} free; free some space, name another folder with --cache, take --dtype float16, ` +
      'or unfreeze a later layer.',
  );
}
