/**
 * Folds as lanes of one step graph against one fold after another: few candidates of AdamW on five folds of 2062 x 464 -> 10.
 *
 *   node build/bench/fold-lanes.js [--rounds 3] [--threads N] [--candidates 1,2,4,16] [--batches 32,256]
 */
import { parseArgs } from 'node:util';
import { assignFolds } from '../src/dataset/assign-folds.js';
import type { HeadSpec } from '../src/heads/head.js';
import { createRng } from '../src/rng.js';
import type { FeatureSet } from '../src/train/feature-set.js';
import { fitReplicas } from '../src/train/fit-replicas.js';
import { selectRows } from '../src/train/select-rows.js';
import { median } from './peer-process.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string' },
    candidates: { type: 'string', default: '1,2,4,16' },
    batches: { type: 'string', default: '32,256' },
  },
});
const numbers = (list: string): number[] => list.split(',').map(Number);
const [rows, dim, classCount, foldCount] = [2062, 464, 10, 5];
const rng = createRng(3);
const labels = Int32Array.from({ length: rows }, (_, row) => row % classCount);
const centres = Float32Array.from({ length: classCount * dim }, () => 0.1 * rng.normal());
const features = new Float32Array(rows * dim);
for (let i = 0; i < features.length; i++)
  features[i] = rng.normal() + centres[labels[Math.floor(i / dim)]! * dim + (i % dim)]!;
const classes = Array.from({ length: classCount }, (_, c) => String(c));
const train: FeatureSet = { rows, dim, features, labels, classes };
const folds = assignFolds(labels, classCount, foldCount);
const every = [...folds.keys()];
const lanes = Array.from({ length: foldCount }, (_, fold) => ({
  train: selectRows(
    train,
    every.filter((row) => folds[row] !== fold),
  ),
  held: selectRows(
    train,
    every.filter((row) => folds[row] === fold),
  ),
  seed: 1,
}));

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

for (const head of [
  { kind: 'linear' },
  { kind: 'mlp', hidden: [64], activation: 'relu', dropout: 0 },
] satisfies HeadSpec[]) {
  for (const batch of numbers(flags.batches)) {
    for (const count of numbers(flags.candidates)) {
      const fits = Array.from({ length: count }, (_, i) => ({
        solver: 'adamw' as const,
        l2: 1,
        lr: 1e-4 * 2 ** i,
      }));
      const common = {
        ...{ head, batch, epochs: 10 },
        ...(flags.threads !== undefined && { threads: Number(flags.threads) }),
      };
      const shares: number[] = [];
      const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
      for (let round = 0; round < Number(flags.rounds); round++) {
        const together = await seconds(() => fitReplicas(lanes, fits, common));
        const apart = await seconds(async () => {
          for (const lane of lanes) await fitReplicas([lane], fits, common);
        });
        shares.push(together / apart);
        best[0] = Math.min(best[0]!, together);
        best[1] = Math.min(best[1]!, apart);
      }
      console.log(
        `${head.kind}, batch ${batch}, ${count} candidate(s): ${best[0]!.toFixed(2)} s together, ${best[1]!.toFixed(2)} s ` +
          `fold by fold; ${median(shares).toFixed(2)} of it, best to best ${(best[0]! / best[1]!).toFixed(2)}`,
      );
    }
  }
}
