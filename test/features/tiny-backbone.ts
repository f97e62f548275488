/** A backbone of a few weights and folders of small images, made on the spot. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import type { FeatureSource } from '../../src/features/feature-key.js';
import { FeatureStore } from '../../src/features/feature-store.js';
import type { ShardContent } from '../../src/features/shard.js';
import { poolLayers } from '../../src/graph/pool-features.js';
import type { Logger } from '../../src/logger.js';
import type { PixelSpec } from '../../src/models/input-spec.js';
import type { PreprocessSpec } from '../../src/models/preprocess-spec.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { float32 } from '../../src/tensor/tensor.js';

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

/** What `tinyBackbone` takes. */
export const pixels: PixelSpec = { kind: 'pixels', name: 'image', preprocess };

export type ImageSource = Extract<FeatureSource, { readonly preprocess: PreprocessSpec }>;

export const source: ImageSource = {
  backboneSha256: 'a'.repeat(64),
  layer: 'pooled',
  pool: 'avg',
  preprocess,
  view: 'original',
  dtype: 'float32',
};

/** image [batch, 3, 12, 12] → Conv → Relu → average over the image → features [batch, 6]. */
export function tinyBackbone(): Uint8Array {
  const rng = createRng(5);
  const builder = new GraphBuilder();
  const image = builder.input('image', 'float32', ['batch', 3, side, side]);
  const weights = Float32Array.from({ length: dim * 27 }, () => rng.normal());
  const filters = builder.constant('filters', float32([dim, 3, 3, 3], weights));
  const maps = builder.op('Relu', [builder.op('Conv', [image, filters])]);
  const pooled = builder.op('GlobalAveragePool', [maps]);
  builder.output(builder.op('Flatten', [pooled]), 'float32', ['batch', dim], 'features');
  return encodeModel(builder.model());
}

/** As `tinyBackbone`, with the maxima of the same maps as a second output, [batch, 6]. */
export function twoLayerBackbone(): Uint8Array {
  const model = decodeModel(tinyBackbone(), { path: 'tiny.onnx' });
  const maps = model.graph.nodes.find(({ opType }) => opType === 'Relu')!.outputs[0]!;
  const { model: pooled } = poolLayers(model, [
    { value: 'features', pool: 'none', shape: [1, dim] },
    { value: maps, pool: 'max', shape: [1, dim, side - 2, side - 2] },
  ]);
  return encodeModel(pooled);
}

/** A folder that is removed by `remove`. */
export async function scratchFolder(): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'graft-features-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** `count` distinct PNG files of noise, named in order. */
export async function drawImages(folder: string, count: number, seed = 1): Promise<{ path: string }[]> {
  await mkdir(folder, { recursive: true });
  const rng = createRng(seed);
  const size = 8;
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const pixels = Uint8Array.from({ length: size * size * 3 }, () => rng.integer(256));
      const file = path.join(folder, `${String(i).padStart(5, '0')}.png`);
      const raw = { width: size, height: size, channels: 3 } as const;
      await writeFile(file, await sharp(pixels, { raw }).png().toBuffer());
      return { path: file };
    }),
  );
}

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
