/**
 * The main job on the built-in backbone and drawn data: what `npm run demo` shows.
 * Prints the validation accuracy of a linear head on raw 32x32 pixels beside that on the backbone's features.
 */
import { readdirSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { readDataset } from '../src/dataset/read-dataset.js';
import { splitDataset } from '../src/dataset/split-dataset.js';
import { preprocessImage } from '../src/image/preprocess-image.js';
import type { PreprocessSpec } from '../src/models/preprocess-spec.js';
import { predictInputs } from '../src/pipeline/predict-inputs.js';
import { runAll } from '../src/pipeline/run-all.js';
import { trainHead } from '../src/train/train-head.js';
import { generateDemoData } from './demo/generate-demo-data.js';

const seed = 1;
const data = path.resolve('datasets/demo');
const run = path.resolve('runs/demo');
const started = performance.now();
const say = (message: string): void => console.log(message);
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;

say('Drawing the demo photos …');
await rm(data, { recursive: true, force: true });
await generateDemoData({ folder: data, seed });

say('Caching features of the built-in scattering backbone, training a head, merging, verifying …');
const report = await runAll({
  backbone: 'scattering',
  data,
  out: run,
  cache: path.join(run, 'cache'),
  device: 'cpu',
  seed,
});
const pixels = await accuracyOnPixels();

const first = readdirSync(path.join(data, report.classes[0]!))[0]!;
const [prediction] = await predictInputs({
  model: report.model,
  inputs: [path.join(data, report.classes[0]!, first)],
  device: 'cpu',
});

say('');
say(
  `${report.classes.length} classes, ${report.examples.train} photos to train on, ${report.examples.validation} held out`,
);
say(`linear head on raw 32x32 pixels      ${percent(pixels)} validation accuracy`);
say(`linear head on the frozen backbone   ${percent(report.validation!.accuracy!)} validation accuracy`);
say(`merged model  ${path.relative('.', report.model)}  (${(report.bytes / 1024).toFixed(0)} KiB)`);
say(
  `verified on   ${report.verified.providers.map(({ name }) => name).join(', ')}: ` +
    `largest difference ${report.verified.maxAbsDiff.toExponential(1)} over ${report.verified.examples} photos`,
);
say(
  `prediction    ${path.relative('.', prediction!.input)} → ${prediction!.label} (${percent(prediction!.score!)})`,
);
say(`done in ${((performance.now() - started) / 1000).toFixed(1)} s`);

/** The same split, the same head, but on pixels: what the backbone is worth. */
async function accuracyOnPixels(): Promise<number> {
  const spec: PreprocessSpec = {
    resize: { width: 32, height: 32, fit: 'fill', kernel: 'bilinear' },
    crop: null,
    channelOrder: 'rgb',
    scale: 1 / 255,
    mean: [0.5, 0.5, 0.5],
    std: [0.25, 0.25, 0.25],
    layout: 'nchw',
  };
  const dim = 3 * 32 * 32;
  const { examples, classes } = await readDataset(data);
  const split = splitDataset(
    [...examples].map(({ label }) => label),
    classes.length,
    { validation: 0.2, seed },
  );
  const select = async (rows: Uint32Array) => {
    const features = new Float32Array(rows.length * dim);
    for (const [i, row] of rows.entries()) {
      await preprocessImage(
        await readFile(examples.at(row).path),
        spec,
        features.subarray(i * dim, (i + 1) * dim),
      );
    }
    return {
      features,
      dim,
      rows: rows.length,
      classes,
      labels: Int32Array.from(rows, (row) => examples.at(row).label),
    };
  };
  const train = await select(split.train);
  const validation = await select(split.validation);
  // The penalty that suits the pixels best, so that the comparison is fair to them.
  let best = 0;
  for (const l2 of [1, 100, 10_000]) {
    const result = await trainHead(train, validation, {
      head: { kind: 'linear' },
      solver: 'lbfgs',
      l2,
      seed,
    });
    best = Math.max(best, result.validation!.accuracy!);
  }
  return best;
}
