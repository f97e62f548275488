/**
 * How near feature extraction comes to what the machine can do.
 *
 *   ideal rate = cores / (seconds to decode one image + seconds to run it through the backbone), each alone on one thread
 *
 * The pipeline then runs over the same photos into a fresh store; at least 80 % of the ideal is required, 90 % wished.
 * The backbone is also timed in all cores at once, which takes longer than alone: the ideal with that time instead is what the
 * machine can do at most (`attainable`).
 * On a machine that others use, the clock says little. So the ratio is also taken in seconds of a core: what decoding and
 * inference cost alone, over what the pipeline used and what it left idle. Both agree on a machine that nobody else uses.
 * Peak memory is taken for 200 photos, and for four and ten times as many (copies with other bytes at the end, so that no
 * photo is larger), each in a process of its own: it must not grow with their number.
 *
 *   node build/bench/cache-throughput.js [--backbone FILE] [--layer NAME] [--pool avg] [--data FOLDER] [--count N] [--copies N] [--json]
 *
 * A run of the 2062 photos takes seconds, of which one goes to starting and compiling; with --copies it takes so many times as
 * many (copies of other bytes), which tells the rate of the pipeline apart from its start.
 */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { optimizeLater } from '../src/cli/optimize-later.js';
import type * as extracting from '../src/features/extract-features.js';
import { FeatureStore } from '../src/features/feature-store.js';
import type { Pool } from '../src/graph/pool-features.js';
import { preprocessImage } from '../src/image/preprocess-image.js';
import { pixelShape } from '../src/models/pixel-shape.js';
import type { PixelSpec } from '../src/models/input-spec.js';
import { encodeModel } from '../src/onnx/write-model.js';
import { type Backbone, prepareBackbone, storeOf } from '../src/pipeline/prepare-backbone.js';
import type { Tensor } from '../src/tensor/tensor.js';
import { peakMemory } from './peak-memory.js';
import { type Cost, cost, type Job, timeInference, timeTogether } from './time-inference.js';

const { values: flags } = parseArgs({
  options: {
    backbone: { type: 'string', default: path.resolve('../shared/models/nanodet_m.onnx') },
    layer: { type: 'string', default: '690' },
    pool: { type: 'string', default: 'avg' },
    data: { type: 'string', default: path.resolve('../shared/datasets/sign-digits') },
    count: { type: 'string' },
    copies: { type: 'string', default: '1' },
    batch: { type: 'string' },
    workers: { type: 'string' },
    repeat: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    /** Only extract so many copies of each photo and print the peak memory: what this program runs itself as. */
    memory: { type: 'string' },
  },
});
// As it is shipped: in a few files, which workers load sooner.
const shipped = new URL('../../dist/features/extract-features.js', import.meta.url);
const { extractFeatures } = (await import(shipped.href)) as typeof extracting;
const sample = 240;
const batch = flags.batch === undefined ? undefined : Number(flags.batch);
const workers = flags.workers === undefined ? undefined : Number(flags.workers);

async function listImages(folder: string): Promise<{ path: string }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(jpe?g|png|webp)$/i.test(entry.name))
    .map((entry) => ({ path: path.join(entry.parentPath, entry.name) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Numbers of the cores that this process may use; undefined where the system does not tell: all. */
async function allowedCores(): Promise<Set<number> | undefined> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const list = /^Cpus_allowed_list:\s*(.+)$/m.exec(status)?.[1];
  const ranges = list?.split(',').map((range) => range.split('-').map(Number));
  return (
    ranges &&
    new Set(
      ranges.flatMap(([from = 0, to = from]) => Array.from({ length: to - from + 1 }, (_, i) => from + i)),
    )
  );
}

/** Milliseconds that the cores we may use were idle, together, since the machine started. */
function idleMs(): number {
  return cpus().reduce((sum, { times }, core) => sum + (allowed && !allowed.has(core) ? 0 : times.idle), 0);
}

/** To decode and preprocess, one after the other: all of them, as a few large ones may take a tenth of the time. */
async function timeDecode(backbone: Backbone, examples: readonly { path: string }[]): Promise<Cost> {
  const { preprocess } = backbone.input as PixelSpec;
  const { channels, height, width } = pixelShape(preprocess);
  const pixels = new Float32Array(channels * height * width);
  const files = await Promise.all(examples.map(({ path: file }) => readFile(file)));
  for (const bytes of files.slice(0, 100)) await preprocessImage(bytes, preprocess, pixels);
  return cost(files.length, async () => {
    for (const bytes of files) await preprocessImage(bytes, preprocess, pixels);
  });
}

/** Runs of the backbone in batches of `size`. */
function inferenceJob(backbone: Backbone, size: number): Job {
  const { name, preprocess } = backbone.input as PixelSpec;
  const { channels, height, width } = pixelShape(preprocess);
  const shape = preprocess.layout === 'nchw' ? [channels, height, width] : [height, width, channels];
  const data = Float32Array.from(
    { length: size * channels * height * width },
    (_, i) => ((i * 7919) % 511) / 255 - 1,
  );
  const input: Tensor = { dtype: 'float32', dims: [size, ...shape], data };
  return { model: encodeModel(backbone.features), feeds: { [name]: input }, runs: Math.ceil(sample / size) };
}

interface Parts {
  readonly decode: Cost;
  readonly inference: Cost;
  /** Milliseconds an image in the backbone while all cores run it. */
  readonly togetherMs: number;
}

/** Alone on one thread each, an image; the backbone in batches or not, whichever costs less. */
async function timeParts(backbone: Backbone, examples: readonly { path: string }[]): Promise<Parts> {
  const decode = await timeDecode(backbone, examples);
  const tries: { inference: Cost; size: number }[] = [];
  for (const size of [1, batch ?? 8]) {
    const { clockMs, coreMs } = await timeInference(inferenceJob(backbone, size));
    tries.push({ inference: { clockMs: clockMs / size, coreMs: coreMs / size }, size });
  }
  const { inference, size } = tries.reduce((a, b) => (b.inference.coreMs < a.inference.coreMs ? b : a));
  const togetherMs = (await timeTogether(inferenceJob(backbone, size), availableParallelism())) / size;
  return { decode, inference, togetherMs };
}

interface PipelineTime {
  /** Images a second. */
  readonly rate: number;
  /** Images a second of a core that the pipeline used or could have used. */
  readonly perCoreSecond: number;
  /** Share of the machine's cores that others took. */
  readonly taken: number;
}

/** Into a store that is empty. */
async function timePipeline(
  backbone: Backbone,
  examples: readonly { path: string }[],
): Promise<PipelineTime> {
  const cache = await mkdtemp(path.join(tmpdir(), 'graft-bench-'));
  try {
    const store = await FeatureStore.open(cache, storeOf(backbone, 'float32'));
    const model = encodeModel(backbone.features);
    const idleBefore = idleMs();
    const before = process.cpuUsage();
    const { computed, seconds } = await extractFeatures({
      model,
      examples,
      targets: [{ store, output: backbone.outputName }],
      input: backbone.input,
      batch,
      workers,
    });
    const { user, system } = process.cpuUsage(before);
    const available = (user + system) / 1e6 + (idleMs() - idleBefore) / 1000;
    const taken = Math.max(0, 1 - available / seconds / availableParallelism());
    return { rate: computed / seconds, perCoreSecond: computed / available, taken };
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

function peakMiB(copies: number): number {
  const self = [fileURLToPath(import.meta.url), ...process.argv.slice(2), '--memory', String(copies)];
  return Number(execFileSync(process.execPath, self, { encoding: 'utf8' }));
}

/** Photos with some bytes after their end: decoders do not mind, and the store takes each for another one. */
async function writeCopies(
  examples: readonly { path: string }[],
  copies: number,
  folder: string,
): Promise<{ path: string }[]> {
  const written: { path: string }[] = [];
  for (let copy = 0; copy < copies; copy++) {
    for (const [i, example] of examples.entries()) {
      const file = path.join(folder, `${copy}-${i}`);
      await writeFile(file, Buffer.concat([await readFile(example.path), Buffer.alloc(copy)]));
      written.push({ path: file });
    }
  }
  return written;
}

function spread<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, items.length / count);
  return Array.from({ length: Math.min(count, items.length) }, (_, i) => items[Math.floor(i * step)]!);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

// As the command does.
optimizeLater();
const allowed = await allowedCores();
const all = await listImages(flags.data);
const examples = flags.count === undefined ? all : spread(all, Number(flags.count));
const backbone = await prepareBackbone(
  { backbone: flags.backbone, layer: flags.layer, pool: flags.pool as Pool },
  { folder: tmpdir() },
);
if (flags.memory !== undefined) {
  const folder = await mkdtemp(path.join(tmpdir(), 'graft-bench-'));
  try {
    await timePipeline(backbone, await writeCopies(spread(examples, 200), Number(flags.memory), folder));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  console.log(Math.round(peakMemory() / 2 ** 20));
} else {
  const cores = availableParallelism();
  const copies = Number(flags.copies);
  const folder = await mkdtemp(path.join(tmpdir(), 'graft-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const list = copies > 1 ? await writeCopies(examples, copies, folder) : examples;
  const rounds: Record<
    | 'decodeMs'
    | 'inferenceMs'
    | 'togetherMs'
    | 'ideal'
    | 'attainable'
    | 'rate'
    | 'ratio'
    | 'coreRatio'
    | 'taken',
    number
  >[] = [];
  // The parts are timed before and after each run of the whole: the machine may slow down in between.
  let before = await timeParts(backbone, examples);
  for (let i = 0; i < Number(flags.repeat); i++) {
    const { rate, perCoreSecond, taken } = await timePipeline(backbone, list);
    const after = await timeParts(backbone, examples);
    const decodeMs = (before.decode.clockMs + after.decode.clockMs) / 2;
    const inferenceMs = (before.inference.clockMs + after.inference.clockMs) / 2;
    const togetherMs = (before.togetherMs + after.togetherMs) / 2;
    const coreMs = [before, after].map(({ decode, inference }) => decode.coreMs + inference.coreMs);
    before = after;
    const ideal = (1000 * cores) / (decodeMs + inferenceMs);
    const attainable = (1000 * cores) / (decodeMs + togetherMs);
    const coreRatio = (perCoreSecond * (coreMs[0]! + coreMs[1]!)) / 2 / 1000;
    const ratio = rate / ideal;
    rounds.push({
      decodeMs,
      inferenceMs,
      togetherMs,
      ideal,
      attainable,
      rate,
      ratio,
      coreRatio,
      taken,
    });
    if (!flags.json) {
      console.log(
        `decode ${decodeMs.toFixed(2)} ms, backbone ${inferenceMs.toFixed(2)} ms (${togetherMs.toFixed(2)} in all cores at once): ` +
          `ideal ${ideal.toFixed(1)} images/s; pipeline ${rate.toFixed(1)} images/s, ${percent(ratio)} by the clock, ` +
          `${percent(rate / attainable)} of the attainable, ` +
          `${percent(coreRatio)} of the cores it could have (others took ${percent(taken)})`,
      );
    }
  }
  const few = spread(examples, 200);
  const memory = [1, 4, 10].map((copies) => ({ count: copies * few.length, peakMiB: peakMiB(copies) }));
  const ratio = median(rounds.map((round) => round.ratio));
  const ofAttainable = median(rounds.map((round) => round.rate / round.attainable));
  const coreRatio = median(rounds.map((round) => round.coreRatio));
  if (flags.json) {
    console.log(
      JSON.stringify({ cores, images: list.length, ratio, ofAttainable, coreRatio, rounds, memory }, null, 2),
    );
  } else {
    console.log(
      `${list.length} images on ${cores} cores: ${percent(ratio)} of the ideal rate by the clock, ` +
        `${percent(ofAttainable)} of the attainable, ${percent(coreRatio)} by the cores it could have (medians)`,
    );
    console.log(memory.map(({ count, peakMiB: mib }) => `${count} images: at most ${mib} MiB`).join('; '));
  }
  process.exitCode = Math.max(ratio, coreRatio) >= 0.8 ? 0 : 1;
}
