/**
 * Reads seeded random mutations of model files; a process of its own, so that a crash or a heap too small shows.
 *
 *   node mutate-models.js COUNT SEED FILE…
 */
import { readFileSync } from 'node:fs';
import { GraftError } from '../../src/errors.js';
import type { Model } from '../../src/onnx/ir.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';

const [count, seed, ...files] = process.argv.slice(2);
const sources = files.map((file) => readFileSync(file));
const rng = createRng(Number(seed));
const below = (limit: number): number => Math.floor(rng.uniform() * limit);
const awkward = [0, 1, 0x7f, 0x80, 0xff, 10, 0x12];

/** One to four changes of a byte, a bit or a stretch. */
function mutate(source: Buffer): Buffer {
  let bytes = Buffer.from(source);
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = below(bytes.length);
    const length = 1 + below(12);
    switch (below(7)) {
      case 0:
        bytes[at]! ^= 1 << below(8);
        break;
      case 1:
        bytes[at] = below(256);
        break;
      case 2:
        bytes[at] = awkward[below(awkward.length)]!;
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(length, below(256)), bytes.subarray(at)]);
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at + 4 * length), bytes.subarray(at)]);
        break;
      default:
        bytes.copy(bytes, below(bytes.length), at, at + length);
    }
    if (bytes.length === 0) return Buffer.from(source);
  }
  return bytes;
}

const stats = { read: 0, refused: 0, unstable: 0, slowest: 0, largestGrowth: 0 };
for (let i = 0; i < Number(count); i++) {
  const bytes = mutate(sources[i % sources.length]!);
  const buffersBefore = process.memoryUsage().arrayBuffers;
  const start = performance.now();
  let model: Model | undefined;
  try {
    model = decodeModel(bytes, { path: 'dir/m.onnx' });
  } catch (error) {
    if (
      !(error instanceof GraftError) ||
      !error.message.includes('dir/m.onnx') ||
      error.message.length > 2000
    ) {
      throw new Error(`Mutation ${i} has no proper refusal.`, { cause: error });
    }
    stats.refused++;
  }
  stats.slowest = Math.max(stats.slowest, performance.now() - start);
  stats.largestGrowth = Math.max(stats.largestGrowth, process.memoryUsage().arrayBuffers - buffersBefore);
  if (!model) continue;
  stats.read++;
  const written = encodeModel(model);
  if (!Buffer.from(encodeModel(decodeModel(written, { path: 'dir/m.onnx' }))).equals(written))
    stats.unstable++;
}
console.log(JSON.stringify(stats));
