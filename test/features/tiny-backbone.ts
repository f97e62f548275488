/** A backbone of a few weights and folders of small images, made on the spot. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { poolLayers } from '../../src/graph/pool-features.js';
import type { PixelSpec } from '../../src/models/input-spec.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { float32 } from '../../src/tensor/tensor.js';
import { dim, preprocess, side } from './tiny-store.js';

export * from './tiny-store.js';

/** What `tinyBackbone` takes. */
export const pixels: PixelSpec = { kind: 'pixels', name: 'image', preprocess };

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
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      // Every third has more bytes than the floats that the backbone takes.
      const size = i % 3 === 2 ? 3 * side : 8;
      const pixels = Uint8Array.from({ length: size * size * 3 }, () => rng.integer(256));
      const file = path.join(folder, `${String(i).padStart(5, '0')}.png`);
      const raw = { width: size, height: size, channels: 3 } as const;
      await writeFile(file, await sharp(pixels, { raw }).png().toBuffer());
      return { path: file };
    }),
  );
}
