/** Stores for the features of `tinyBackbone`, and shards to fill them with: all that a process that only writes has to load. */
import { createHash } from 'node:crypto';
import type { FeatureSource } from '../../src/features/feature-key.js';
import { FeatureStore } from '../../src/features/feature-store.js';
import type { ShardContent } from '../../src/features/shard.js';
import type { Logger } from '../../src/logger.js';
import type { PreprocessSpec } from '../../src/models/preprocess-spec.js';

export const dim = 6;
export const side = 12;

export const preprocess: PreprocessSpec = {
  resize: { width: side, height: side, fit: 'fill', kernel: 'bilinear' },
  crop: null,
  channelOrder: 'rgb',
  scale: 1 / 255,
  mean: [0.5, 0.4, 0.3],
  std: [0.25, 0.5, 1],
  layout: 'nchw',
};

export type ImageSource = Extract<FeatureSource, { readonly preprocess: PreprocessSpec }>;

export const source: ImageSource = {
  backboneSha256: 'a'.repeat(64),
  layer: 'pooled',
  pool: 'avg',
  preprocess,
  view: 'original',
  dtype: 'float32',
};

export function openTinyStore(
  cache: string,
  fields: Partial<ImageSource> = {},
  logger?: Logger,
): Promise<FeatureStore> {
  return FeatureStore.open(cache, { ...source, ...fields, dim }, logger);
}

/** Rows 10 · number to 10 · number + 9 of an endless list: the key tells the values. */
export function numberedShard(number: number): ShardContent {
  const rows = Array.from({ length: 10 }, (_, i) => 10 * number + i);
  return {
    keys: Buffer.concat(rows.map(numberedKey)),
    features: Float32Array.from(rows.flatMap((row) => Array.from({ length: dim }, (_, i) => row + i / 8))),
    skipped: [],
  };
}

export function numberedKey(row: number): Buffer {
  return createHash('sha256').update(String(row)).digest();
}
