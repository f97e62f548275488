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
import { mutateBytes } from '../../scripts/mutate-bytes.js';

const [count, seed, ...files] = process.argv.slice(2);
const sources = files.map((file) => readFileSync(file));
const rng = createRng(Number(seed));
const stats = { read: 0, refused: 0, unstable: 0, slowest: 0, largestGrowth: 0 };
for (let i = 0; i < Number(count); i++) {
  const bytes = mutateBytes(sources[i % sources.length]!, rng);
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
