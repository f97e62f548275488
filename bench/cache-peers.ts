/**
 * `graft cache` against what people write today, on the same model and the same photos, in turns on the same machine:
 *   - a Python script on Pillow, numpy and onnxruntime (bench/peers/onnxruntime_features.py), in three ways;
 *   - the image-feature-extraction pipeline of @huggingface/transformers (bench/peers/transformers_features.mjs).
 *
 * Each is a process from start to end, with the photos in the page cache; beside it, the seconds it tells itself from
 * the first photo to the last row. Graft begins with an empty cache, hashes every photo and leaves durable shards. The
 * rows must agree (mean cosine), else a comparison is void.
 *
 *   node build/bench/cache-peers.js [--backbone FILE] [--layer NAME] [--data FOLDER] [--rounds 2] [--python FILE]
 *     [--transformers FOLDER] [--batch 8] [--only loop,sessions] [--json]
 *
 * `--transformers` is a folder where `npm install --ignore-scripts @huggingface/transformers` was run; without it that
 * peer is left out.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadFeatures } from '../src/features/load-features.js';
import { keepNames, renameGraph } from '../src/graph/rename-graph.js';
import type { PixelSpec } from '../src/models/input-spec.js';
import type { PreprocessSpec } from '../src/models/preprocess-spec.js';
import { encodeModel } from '../src/onnx/write-model.js';
import { cacheFeatures } from '../src/pipeline/cache-features.js';
import type { Backbone } from '../src/pipeline/prepare-backbone.js';
import { median } from './peer-process.js';

const { values: flags } = parseArgs({
  options: {
    backbone: { type: 'string', default: path.resolve('../shared/models/nanodet_m.onnx') },
    layer: { type: 'string' },
    data: { type: 'string', default: path.resolve('../shared/datasets/sign-digits') },
    rounds: { type: 'string', default: '2' },
    python: { type: 'string', default: 'python3' },
    transformers: { type: 'string' },
    /** Photos a run of the peers' sessions; they are given the one that suits them best. */
    batch: { type: 'string', default: '1' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

interface Contender {
  readonly name: string;
  readonly command: readonly string[];
  /** Where its rows are, float32. */
  readonly output?: string;
}

interface Times {
  readonly wall: number;
  readonly cpu: number;
  /** Without what comes before the first photo. */
  readonly inRun: number;
  readonly versions?: string | undefined;
}

/** One whole process, by bash's `time`: seconds by the clock and of processor time. */
async function time({ name, command }: Contender): Promise<Times> {
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" 2>/dev/null';
  const child = spawn('bash', ['-c', script, 'bash', ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const status = await new Promise((resolve) => child.once('close', resolve));
  if (status !== 0) throw new Error(`${name} ended with status ${String(status)}: ${command.join(' ')}`);
  const [wall = Number.NaN, user = Number.NaN, system = Number.NaN] = stderr.trim().split(' ').map(Number);
  const { seconds, versions } = JSON.parse(stdout) as { seconds: number; versions?: string };
  return { wall, cpu: user + system, inRun: seconds, versions };
}

/** The folder that transformers.js loads a model from; the model's input and output take the names it knows. */
async function writeModelFolder(folder: string, { features, input, outputName }: Backbone): Promise<void> {
  const { name: inputName, preprocess } = input as PixelSpec;
  const given = new Map([
    [inputName, 'pixel_values'],
    [outputName, 'last_hidden_state'],
  ]);
  const graph = renameGraph(features.graph, { ...keepNames, value: (name) => given.get(name) ?? name });
  await mkdir(path.join(folder, 'onnx'), { recursive: true });
  await writeFile(path.join(folder, 'onnx', 'model.onnx'), encodeModel({ ...features, graph }));
  await writeFile(
    path.join(folder, 'config.json'),
    JSON.stringify({ model_type: 'vit', architectures: ['ViTModel'] }),
  );
  await writeFile(
    path.join(folder, 'preprocessor_config.json'),
    JSON.stringify(huggingFacePreprocess(preprocess)),
  );
}

/** It normalises before it swaps red and blue. */
function huggingFacePreprocess({ resize, channelOrder, scale, mean, std }: PreprocessSpec): object {
  const swaps = channelOrder === 'bgr';
  return {
    image_processor_type: 'ViTImageProcessor',
    do_resize: true,
    size: { width: resize!.width, height: resize!.height },
    resample: 2,
    do_rescale: scale !== 1,
    rescale_factor: scale,
    do_normalize: true,
    image_mean: swaps ? mean.toReversed() : mean,
    image_std: swaps ? std.toReversed() : std,
    do_flip_channel_order: swaps,
  };
}

/** Mean cosine between rows. */
function meanCosine(a: Float32Array, b: Float32Array, dim: number): number {
  if (a.length !== b.length) return Number.NaN;
  let sum = 0;
  for (let row = 0; row < a.length; row += dim) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = row; i < row + dim; i++) {
      ab += a[i]! * b[i]!;
      aa += a[i]! ** 2;
      bb += b[i]! ** 2;
    }
    sum += ab / Math.sqrt(aa * bb);
  }
  return sum / (a.length / dim);
}

const scratch = await mkdtemp(path.join(tmpdir(), 'graft-bench-'));
try {
  const { backbone: file, layer, data } = flags;
  const cache = path.join(scratch, 'cache');
  const options = { backbone: file, data, ...(layer !== undefined && { layer }) };
  const { backbone, dataset, store, keys } = await cacheFeatures({ ...options, cache });
  const ours = await loadFeatures(store, keys);
  const model = path.join(scratch, 'features.onnx');
  await writeFile(model, encodeModel(backbone.features));
  const spec = path.join(scratch, 'preprocess.json');
  await writeFile(spec, JSON.stringify((backbone.input as PixelSpec).preprocess));
  const photos = path.join(scratch, 'photos.txt');
  await writeFile(photos, [...dataset.examples].map((example) => path.resolve(example.path)).join('\n'));
  const modelFolder = path.join(scratch, 'model');
  await writeModelFolder(modelFolder, backbone);

  const graft: Contender = {
    name: 'graft cache',
    command: [
      ...[process.execPath, path.resolve('dist/cli/index.js'), 'cache', '--json', '--cache', cache],
      ...['--backbone', file, '--data', data, ...(layer === undefined ? [] : ['--layer', layer])],
    ],
  };
  const python = (way: string): Contender => {
    const output = path.join(scratch, way);
    const script = path.resolve('bench/peers/onnxruntime_features.py');
    const command = [flags.python, script, model, spec, photos, output, way, flags.batch];
    return { name: `python ${way}`, command, output };
  };
  const transformers = (library: string): Contender => {
    const output = path.join(scratch, 'transformers');
    const script = path.resolve('bench/peers/transformers_features.mjs');
    const command = [process.execPath, script, library, modelFolder, photos, output, flags.batch];
    return { name: 'transformers.js', command, output };
  };
  const wanted = flags.only?.split(',');
  const contenders = [
    ...['loop', 'prefetch', 'sessions'].map(python),
    ...(flags.transformers === undefined ? [] : [transformers(flags.transformers)]),
  ].filter(({ name }) => wanted === undefined || wanted.some((word) => name.includes(word)));

  const rounds = new Map<string, Times[]>([graft, ...contenders].map(({ name }) => [name, []]));
  for (let i = 0; i < Number(flags.rounds); i++) {
    for (const contender of [graft, ...contenders]) {
      if (contender === graft) await rm(cache, { recursive: true });
      rounds.get(contender.name)!.push(await time(contender));
    }
  }
  const own = rounds.get(graft.name)!;
  const results = [];
  for (const { name, output } of [graft, ...contenders]) {
    const times = rounds.get(name)!;
    const rows = output === undefined ? ours : new Float32Array((await readFile(output)).buffer);
    const ratio = (key: 'wall' | 'cpu' | 'inRun') => median(times.map((t, i) => t[key] / own[i]![key]));
    const [wall, cpu, inRun] = [ratio('wall'), ratio('cpu'), ratio('inRun')];
    const cosine = meanCosine(ours, rows, backbone.dim);
    results.push({ name, versions: times[0]!.versions, cosine, graftIsFaster: { wall, cpu, inRun }, times });
  }
  const title = `${path.basename(file)} ${backbone.layer}, ${dataset.examples.length} photos`;
  if (flags.json) console.log(JSON.stringify({ title, results }, null, 2));
  else {
    console.log(title);
    for (const { name, versions, cosine, graftIsFaster, times } of results) {
      const best = (key: 'wall' | 'cpu' | 'inRun') => Math.min(...times.map((t) => t[key])).toFixed(1);
      console.log(
        `  ${name}: ${best('wall')} s (cpu ${best('cpu')}, in the run ${best('inRun')}); graft is ` +
          `${graftIsFaster.wall.toFixed(2)}x as fast by the clock, ${graftIsFaster.inRun.toFixed(2)}x in the run, ` +
          `${graftIsFaster.cpu.toFixed(2)}x by processor time; cosine ${cosine.toFixed(5)}${versions ? `; ${versions}` : ''}`,
      );
    }
  }
  const isVoid = results.some(({ cosine }) => !(cosine >= 0.99));
  if (isVoid) console.log('The features do not agree: the comparison is void.');
  process.exitCode = isVoid ? 1 : 0;
} finally {
  await rm(scratch, { recursive: true, force: true });
}
