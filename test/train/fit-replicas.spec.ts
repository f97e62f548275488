import { expect } from 'chai';
import type { TaskKind } from '../../src/tasks/task.js';
import type { FeatureSet } from '../../src/train/feature-set.js';
import { fitReplicas, type ReplicaFit } from '../../src/train/fit-replicas.js';
import { rowsInMemory } from '../../src/train/row-source.js';
import { trainHead } from '../../src/train/train-head.js';
import type { TrainOptions } from '../../src/train/train-options.js';
import { stackViews } from '../../src/train/views.js';
import { madeUpFeatures } from './made-up-features.js';

const train = madeUpFeatures({ rows: 90, dim: 7, classCount: 3 });
const held = madeUpFeatures({ rows: 40, dim: 7, classCount: 3, seed: 2 });

/** With numbers or labels in place of classes. */
function withTargets(set: FeatureSet, target: (row: number, output: number) => number): FeatureSet {
  const targets = Float32Array.from({ length: set.rows * 3 }, (_, at) => target(Math.floor(at / 3), at % 3));
  return { ...set, labels: new Int32Array(), targets };
}

const numbers = (set: FeatureSet): FeatureSet =>
  withTargets(set, (row, output) => 50 + 10 * set.features[row * 7 + output]! + set.labels[row]!);
const tags = (set: FeatureSet): FeatureSet =>
  withTargets(set, (row, output) => Number(set.features[row * 7 + output]! > 0.5));

const fits: readonly ReplicaFit[] = [
  { solver: 'adamw', l2: 0.1, lr: 0.01 },
  { solver: 'adamw', l2: 0, lr: 0.003, weightDecay: 0.1 },
  { solver: 'sgd', l2: 5, lr: 0.02 },
];
const mlp = { kind: 'mlp', hidden: [6, 5], activation: 'gelu', dropout: 0 } as const;

const cases: Readonly<Record<string, { options: TrainOptions; of?: (set: FeatureSet) => FeatureSet }>> = {
  'linear heads': { options: {} },
  'linear heads of ordered classes, balanced': { options: { task: 'ordered', classWeights: 'balanced' } },
  'linear heads of numbers': { options: { task: 'regression' }, of: numbers },
  'MLPs with dropout and mixup': { options: { head: { ...mlp, dropout: 0.3 }, mixup: 0.3 } },
  'MLPs of several labels, averaged and clipped': {
    options: { head: mlp, task: 'multi', ema: 0.9, clipNorm: 0.5, schedule: 'plateau', standardize: false },
    of: tags,
  },
  'cosine heads, by a schedule': {
    options: { head: { kind: 'cosine', scale: 8 }, schedule: 'one-cycle', loss: { focal: 2 } },
  },
};

describe('Candidates that are trained at once', () => {
  for (const [name, { options, of = (set: FeatureSet) => set }] of Object.entries(cases)) {
    it(`reach after every epoch what each reaches alone: ${name}`, async () => {
      const [own, judged] = [of(train), of(held)];
      const common = { ...options, epochs: 5, batch: 32, threads: 1, seed: 4 };
      const [together] = await fitReplicas([{ train: own, held: judged, seed: 4 }], fits, common);
      for (const [i, fit] of fits.entries()) {
        const alone = await trainHead(own, judged, { ...common, ...fit, patience: 100 });
        expect(together![i]).to.have.length(5);
        alone.history.forEach(({ train: score, validation }, epoch) => {
          const found = together![i]![epoch]!;
          expect(found.train.loss).to.be.closeTo(score.loss, 1e-4 * Math.max(1, score.loss));
          expect(found.validation.loss).to.be.closeTo(validation!.loss, 1e-4 * Math.max(1, validation!.loss));
        });
      }
    });
  }

  for (const [name, options] of [
    ['linear heads', {}],
    ['MLPs of several labels, averaged', { head: mlp, task: 'multi', ema: 0.9, standardize: false }],
  ] satisfies [string, TrainOptions][]) {
    it(`may have training parts and seeds of their own, and learn as if alone: ${name}`, async () => {
      const of = options.task === 'multi' ? tags : (set: FeatureSet) => set;
      const lanes = [90, 89, 87].map((rows, i) => ({
        train: of(madeUpFeatures({ rows, dim: 7, classCount: 3, seed: 10 + i })),
        held: of(held),
        seed: 20 + i,
      }));
      const common = { ...options, epochs: 4, batch: 32, threads: 1 };
      const together = await fitReplicas(lanes, fits, common);
      for (const [l, lane] of lanes.entries()) {
        const [alone] = await fitReplicas([lane], fits, common);
        for (const [i] of fits.entries()) {
          expect(together[l]![i]).to.have.length(4);
          together[l]![i]!.forEach(({ train: score, validation }, epoch) => {
            const wanted = alone![i]![epoch]!;
            expect(score.loss).to.be.closeTo(wanted.train.loss, 1e-5);
            expect(validation.loss).to.be.closeTo(wanted.validation.loss, 1e-5);
          });
        }
      }
    });
  }

  it('may stream their features, and take views of photos in turn', async () => {
    const stacked = stackViews(train, [
      madeUpFeatures({ rows: 90, dim: 7, classCount: 3, seed: 9 }).features,
    ]);
    const streamed = { ...stacked, features: rowsInMemory(stacked.features, 7) };
    const common = { epochs: 3, batch: 32, threads: 1 };
    const there = await fitReplicas([{ train: stacked, held, seed: 1 }], fits, common);
    const elsewhere = await fitReplicas([{ train: streamed, held, seed: 1 }], fits, common);
    expect(elsewhere).to.deep.equal(there);
  });

  it('say of one whose loss becomes infinite that it is lost, and of no other', async () => {
    const wild: ReplicaFit = { solver: 'sgd', l2: 1, lr: 1e30 };
    const common = { task: 'regression' as TaskKind, epochs: 4, batch: 32, threads: 1 };
    const lane = { train: numbers(train), held: numbers(held), seed: 1 };
    const [found] = await fitReplicas([lane], [fits[0]!, wild], common);
    expect(found![1]).to.equal(undefined);
    expect(found![0]!.at(-1)!.validation.loss).to.be.below(found![0]![0]!.validation.loss);
  });
});
