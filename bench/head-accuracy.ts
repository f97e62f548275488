/**
 * Cross-validated accuracy of every kind of head, and of the nearest neighbours, against scikit-learn's on the same five
 * folds: LogisticRegression, MLPClassifier (one hidden layer of 256, the same batch, rate, epochs and penalty),
 * NearestCentroid, KNeighborsClassifier. It has no cosine head; ours stands beside its logistic regression.
 *
 *   node build/bench/head-accuracy.js --features FILE.safetensors [--epochs 30] [--seeds 3] [--python /usr/bin/python3]
 *
 * FILE is what `graft cache export --format safetensors` writes.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { assignFolds } from '../src/dataset/assign-folds.js';
import { openFeatureFile } from '../src/pipeline/feature-file.js';
import { loadFeatureParts } from '../src/pipeline/feature-parts.js';
import { singleLabel } from '../src/tasks/single-label.js';
import { scoreNeighbours } from '../src/train/score-neighbours.js';
import { selectRows } from '../src/train/select-rows.js';
import { trainHead } from '../src/train/train-head.js';
import type { TrainOptions } from '../src/train/train-options.js';
import { startPeer } from './peer-process.js';

const { values: flags } = parseArgs({
  options: {
    features: { type: 'string' },
    epochs: { type: 'string', default: '30' },
    seeds: { type: 'string', default: '3' },
    python: { type: 'string', default: '/usr/bin/python3' },
  },
});
if (flags.features === undefined) throw new Error('Name a file with --features.');
const opened = await openFeatureFile(flags.features, { validation: 0 });
const { train: set } = await loadFeatureParts(opened);
await opened.close();
const folds = assignFolds(set.labels, set.classes.length, 5);
const epochs = Number(flags.epochs);
const seeds = Array.from({ length: Number(flags.seeds) }, (_, i) => i + 1);
const mlp = { kind: 'mlp', hidden: [256], activation: 'relu', dropout: 0 } as const;
const trainings: Readonly<Record<string, readonly TrainOptions[]>> = {
  linear: [{}],
  prototype: [{ head: { kind: 'prototype' } }],
  mlp: seeds.map((seed) => ({ head: mlp, seed, epochs })),
  cosine: seeds.map((seed) => ({ head: { kind: 'cosine', scale: 16 }, seed, epochs })),
};

const rows = Array.from(folds.keys());
const found: Record<string, number[]> = {};
for (let fold = 0; fold < 5; fold++) {
  const [kept, held] = [true, false].map((isKept) =>
    selectRows(
      set,
      rows.filter((row) => (folds[row] !== fold) === isKept),
    ),
  ) as [typeof set, typeof set];
  for (const [name, fits] of Object.entries(trainings)) {
    for (const options of fits) {
      const { history, validation } = await trainHead(kept, held, { ...options, batch: 256, patience: 1000 });
      // The last epoch's, as the peer has it: the best one would be chosen by the fold it is judged on.
      const last = options.epochs ? history.at(-1)!.validation! : validation!;
      (found[name] ??= []).push(last.accuracy!);
    }
  }
  (found['5 nearest'] ??= []).push((await scoreNeighbours(singleLabel, kept, held, 5)).accuracy!);
}

const folder = await mkdtemp(path.join(tmpdir(), 'graft-bench-'));
try {
  const file = path.join(folder, 'set');
  await writeFile(`${file}.features`, set.features);
  await writeFile(`${file}.labels`, set.labels);
  await writeFile(`${file}.folds`, folds);
  const peer = await startPeer(flags.python, 'sklearn_heads.py', [
    file,
    set.rows,
    set.dim,
    epochs,
    seeds.length,
  ]);
  const theirs = peer && (JSON.parse(await peer.round()) as Record<string, number>);
  peer?.close();
  console.log(
    `${set.rows} x ${set.dim} -> ${set.classes.length}, five folds; ${peer?.version ?? 'no scikit-learn there'}`,
  );
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  for (const [name, accuracies] of Object.entries(found)) {
    const ours = accuracies.reduce((a, b) => a + b) / accuracies.length;
    const other = theirs?.[name];
    const beside =
      other === undefined
        ? ''
        : `, scikit-learn ${percent(other)}: ${(100 * (ours - other)).toFixed(2)} points`;
    console.log(`${name}: ${percent(ours)}${beside}`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
