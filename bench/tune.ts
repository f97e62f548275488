/**
 * The sweep over L2 penalties and folds against single fits, and against scikit-learn on the same folds:
 *   - 5 folds of 12 penalties against one fit on all rows (λ = 1): below 5 times its time is the goal,
 *   - 64 fits (16 penalties, 4 folds) against 64 single ones: at most 0.4 of their time,
 *   - 64 candidates of AdamW (16 rates, 4 weight decays) against 64 single ones, linear and MLP: the same,
 *   - the cross-validated accuracy, which may differ by 0.3 points.
 *
 *   node build/bench/tune.js [--features FILE.safetensors] [--threads N] [--rounds 3] [--python /usr/bin/python3]
 *
 * FILE is what `graft cache export --format safetensors` writes; without it, features like those of a network are drawn.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { HeadSpec } from '../src/heads/head.js';
import { assignFolds } from '../src/dataset/assign-folds.js';
import { defaultPenalties } from '../src/pipeline/search-grid.js';
import { createRng } from '../src/rng.js';
import { decodeSafetensors } from '../src/tensor/safetensors.js';
import type { FeatureSet } from '../src/train/feature-set.js';
import { fitReplicas } from '../src/train/fit-replicas.js';
import { selectRows } from '../src/train/select-rows.js';
import { sweepOptimum } from '../src/train/sweep-optimum.js';
import { trainHead } from '../src/train/train-head.js';
import { median, startPeer } from './peer-process.js';

const { values: flags } = parseArgs({
  options: {
    features: { type: 'string' },
    threads: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    python: { type: 'string', default: '/usr/bin/python3' },
  },
});
const threads = flags.threads === undefined ? {} : { threads: Number(flags.threads) };

function drawSet(rows: number, dim: number, classCount: number): FeatureSet {
  const rng = createRng(5);
  const rank = 40;
  const loadings = Float32Array.from({ length: rank * dim }, () => rng.normal());
  const centres = Float32Array.from({ length: rank * classCount }, () => 0.9 * rng.normal());
  const labels = Int32Array.from({ length: rows }, (_, row) => row % classCount);
  const features = new Float32Array(rows * dim);
  for (let row = 0; row < rows; row++) {
    const at = features.subarray(row * dim, (row + 1) * dim);
    for (let d = 0; d < dim; d++) at[d] = 2 * rng.normal();
    for (let k = 0; k < rank; k++) {
      const factor = rng.normal() + centres[k * classCount + labels[row]!]!;
      for (let d = 0; d < dim; d++) at[d]! += factor * loadings[k * dim + d]!;
    }
  }
  return { rows, dim, features, labels, classes: Array.from({ length: classCount }, (_, c) => String(c)) };
}

function readSet(file: string): FeatureSet {
  const { tensors, metadata } = decodeSafetensors(readFileSync(file), file);
  const { dims, data } = tensors.get('features')!;
  const labels = Int32Array.from(tensors.get('labels')!.data as BigInt64Array, Number);
  const classes = JSON.parse(metadata.classes!) as string[];
  return { rows: dims[0]!, dim: dims[1]!, features: data as Float32Array, labels, classes };
}

const train = flags.features === undefined ? drawSet(2062, 464, 10) : readSet(flags.features);
const rows = Array.from({ length: train.rows }, (_, row) => row);
const sweep = (l2: readonly number[], folds: Int32Array, foldCount: number) =>
  sweepOptimum({
    train,
    folds,
    foldCount,
    l2,
    head: { kind: 'linear' },
    task: 'single',
    standardize: true,
    ...threads,
  });

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

const title = `${train.rows} x ${train.dim} -> ${train.classes.length}`;
const twelve = defaultPenalties(train.rows);
const fiveFolds = assignFolds(train.labels, train.classes.length, 5);
const ratios: number[] = [];
for (let round = 0; round < Number(flags.rounds); round++) {
  const one = await seconds(() => trainHead(train, undefined, { l2: 1, ...threads }));
  const all = await seconds(() => sweep(twelve, fiveFolds, 5));
  ratios.push(all / one);
  console.log(`${title}: one fit ${one.toFixed(2)} s, 5 folds of 12 penalties ${all.toFixed(2)} s`);
}
console.log(`${title}: 60 fits in ${median(ratios).toFixed(1)} times one fit (below 5 wanted)`);

const sixteen = Array.from({ length: 16 }, (_, i) => Number((10 ** (-1 + i / 5)).toPrecision(3)));
const fourFolds = assignFolds(train.labels, train.classes.length, 4);
const together = await seconds(() => sweep(sixteen, fourFolds, 4));
const alone = await seconds(async () => {
  for (const l2 of sixteen) {
    for (let fold = 0; fold < 4; fold++) {
      const kept = selectRows(
        train,
        rows.filter((row) => fourFolds[row] !== fold),
      );
      await trainHead(kept, undefined, { l2, ...threads });
    }
  }
});
console.log(
  `${title}: 64 candidates ${together.toFixed(2)} s together, ${alone.toFixed(2)} s one by one: ${(together / alone).toFixed(2)} of it (<= 0.4 wanted)`,
);

const held = rows.filter((row) => fiveFolds[row] === 0);
const [kept, judged] = [
  selectRows(
    train,
    rows.filter((row) => fiveFolds[row] !== 0),
  ),
  selectRows(train, held),
];
const rates = Array.from({ length: 16 }, (_, i) => 10 ** (-4 + i / 6));
const candidates = rates.flatMap((lr) =>
  [0, 0.01, 0.1, 1].map((weightDecay) => ({ solver: 'adamw' as const, l2: 0, lr, weightDecay })),
);
for (const head of [
  { kind: 'linear' },
  { kind: 'mlp', hidden: [64], activation: 'relu', dropout: 0.2 },
] satisfies HeadSpec[]) {
  const common = { head, epochs: 10, ...threads };
  const shares: number[] = [];
  let apart = 0;
  for (let round = 0; round < Number(flags.rounds); round++) {
    let found: Awaited<ReturnType<typeof fitReplicas>>[number] = [];
    const lane = { train: kept, held: judged, seed: 1 };
    const all = await seconds(async () => {
      [found = []] = await fitReplicas([lane], candidates, common);
    });
    const single = await seconds(async () => {
      for (const [i, candidate] of candidates.entries()) {
        const { history } = await trainHead(kept, judged, { ...common, ...candidate, patience: 1000 });
        const [ours, theirs] = [found[i]!.at(-1)!, history.at(-1)!].map(({ validation }) => validation!.loss);
        apart = Math.max(apart, Math.abs(ours! - theirs!) / theirs!);
      }
    });
    shares.push(all / single);
    console.log(
      `${title}, ${head.kind}, AdamW: 64 candidates ${all.toFixed(2)} s, 64 runs ${single.toFixed(2)} s`,
    );
  }
  console.log(
    `${title}, ${head.kind}, AdamW: ${median(shares).toFixed(2)} of the single runs (<= 0.4 wanted), ` +
      `losses at most ${apart.toExponential(1)} apart`,
  );
}

const folder = await mkdtemp(path.join(tmpdir(), 'graft-bench-'));
try {
  const file = path.join(folder, 'set');
  await writeFile(`${file}.features`, train.features);
  await writeFile(`${file}.labels`, train.labels);
  await writeFile(`${file}.folds`, fiveFolds);
  const penalties = [1, 10, 100, 1000];
  const peer = await startPeer(flags.python, 'sklearn_folds.py', [
    file,
    train.rows,
    train.dim,
    penalties.join(),
  ]);
  if (!peer) console.log(`${flags.python} has no scikit-learn: accuracies are not compared.`);
  else {
    const theirs = JSON.parse(await peer.round()) as Record<string, number>;
    peer.close();
    for (const [l2, fits] of await sweep(penalties, fiveFolds, 5)) {
      const ours = fits.reduce((sum, { validation }) => sum + validation.accuracy!, 0) / 5;
      const gap = 100 * (ours - theirs[l2]!);
      console.log(
        `λ ${l2}: ${(100 * ours).toFixed(2)} %, ${peer.version} ${(100 * theirs[l2]!).toFixed(2)} %: ${gap.toFixed(2)} points apart (0.3 allowed)`,
      );
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
