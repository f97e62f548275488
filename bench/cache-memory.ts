/**
 * Memory of the whole pipeline (all threads of one process) over very many small images: it must stay under 500 MB and
 * must not grow with their number. The images are drawn on the spot, distinct, in folders of a thousand.
 *
 *   node build/bench/cache-memory.js [--images 100000] [--limit-mb 500] [--json]
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { extractFeatures } from '../src/features/extract-features.js';
import { FeatureStore } from '../src/features/feature-store.js';
import type { PreprocessSpec } from '../src/models/preprocess-spec.js';
import { GraphBuilder } from '../src/onnx/graph-builder.js';
import { encodeModel } from '../src/onnx/write-model.js';
import { float32 } from '../src/tensor/tensor.js';
import { peakMemory } from './peak-memory.js';

const { values: flags } = parseArgs({
  options: {
    images: { type: 'string', default: '100000' },
    'limit-mb': { type: 'string', default: '500' },
    json: { type: 'boolean', default: false },
  },
});
const total = Number(flags.images);
const side = 32;
const dim = 64;

/** image [batch, 3, 32, 32] → strided Conv → Relu → average: small, so that the pipeline around it is what is measured. */
function smallBackbone(): Uint8Array {
  const builder = new GraphBuilder();
  const image = builder.input('image', 'float32', ['batch', 3, side, side]);
  const weights = Float32Array.from({ length: dim * 27 }, (_, i) => (((i * 7919) % 255) - 127) / 400);
  const filters = builder.constant('filters', float32([dim, 3, 3, 3], weights));
  const maps = builder.op('Relu', [
    builder.op('Conv', [image, filters], { attributes: { strides: [2, 2] } }),
  ]);
  const flat = builder.op('Flatten', [builder.op('GlobalAveragePool', [maps])]);
  builder.output(flat, 'float32', ['batch', dim], 'features');
  return encodeModel(builder.model());
}

/** An uncompressed 24-bit PPM would be no format of ours; a PNG of stored blocks needs no encoder per image. */
async function drawImages(folder: string): Promise<{ path: string }[]> {
  const { default: sharp } = await import('sharp');
  const examples: { path: string }[] = [];
  // One noisy picture as PNG; the number after its end makes each file another example, and decoders do not mind.
  const pixels = Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * i * 31) % 251);
  const raw = { width: side, height: side, channels: 3 } as const;
  const png = await sharp(pixels, { raw }).png().toBuffer();
  for (let i = 0; i < total; i++) {
    const part = path.join(folder, String(Math.floor(i / 1000)));
    if (i % 1000 === 0) await mkdir(part, { recursive: true });
    const file = path.join(part, `${i}.png`);
    const number = Buffer.alloc(4);
    number.writeUInt32LE(i);
    await writeFile(file, Buffer.concat([png, number]));
    examples.push({ path: file });
  }
  return examples;
}

const preprocess: PreprocessSpec = {
  resize: { width: side, height: side, fit: 'fill', kernel: 'bilinear' },
  crop: null,
  channelOrder: 'rgb',
  scale: 1 / 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
  layout: 'nchw',
};

const scratch = await mkdtemp(path.join(tmpdir(), 'graft-memory-'));
try {
  const examples = await drawImages(path.join(scratch, 'images'));
  const store = await FeatureStore.open(path.join(scratch, 'cache'), {
    backboneSha256: '0'.repeat(64),
    layer: 'features',
    pool: 'none',
    preprocess,
    dim,
  });
  const afterTenth = Math.floor(total / 10);
  const resident = { atTenthMb: 0, peakMb: 0 };
  const look = (done: number): void => {
    const mb = process.memoryUsage.rss() / 1e6;
    resident.peakMb = Math.max(resident.peakMb, mb);
    if (done <= afterTenth) resident.atTenthMb = Math.max(resident.atTenthMb, mb);
  };
  let seen = 0;
  const { computed, examplesPerSecond } = await extractFeatures({
    model: smallBackbone(),
    input: { kind: 'pixels', name: 'image', preprocess },
    examples,
    targets: [{ store }],
    onProgress({ done }) {
      if (done - seen < 500) return;
      seen = done;
      look(done);
    },
  });
  look(total);
  // The kernel's own mark, of all threads, misses nothing between two looks.
  const peakMb = peakMemory() / 1e6;
  const limitMb = Number(flags['limit-mb']);
  const result = { images: total, computed, examplesPerSecond, firstTenthMb: resident.atTenthMb, peakMb };
  if (flags.json) console.log(JSON.stringify(result));
  else {
    console.log(
      `${computed} images at ${examplesPerSecond.toFixed(0)}/s: at most ${resident.atTenthMb.toFixed(0)} MB over the first tenth, ` +
        `${peakMb.toFixed(0)} MB in all (limit ${limitMb} MB)`,
    );
  }
  process.exitCode = peakMb < limitMb && computed === total ? 0 : 1;
} finally {
  await rm(scratch, { recursive: true, force: true });
}
