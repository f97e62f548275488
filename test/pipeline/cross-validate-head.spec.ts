import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { assignFolds } from '../../src/dataset/assign-folds.js';
import { crossValidateHead } from '../../src/pipeline/cross-validate-head.js';
import { decodeSafetensors } from '../../src/tensor/safetensors.js';
import { fitFold } from '../../src/train/fit-fold.js';
import { foldParts, rowsOfFold } from '../../src/train/fold-parts.js';
import { scoreHead } from '../../src/train/score-head.js';
import { trainHead } from '../../src/train/train-head.js';
import type { FeatureSet } from '../../src/train/feature-set.js';
import type { TrainOptions } from '../../src/train/train-options.js';
import { madeUpFeatures } from '../train/made-up-features.js';

interface Reference {
  readonly data: string;
  readonly l2: number;
  readonly balanced: boolean;
  readonly classes: number;
  readonly accuracy: readonly number[];
  readonly loss: readonly number[];
}

const file = 'test/train/fixtures/logistic.safetensors';
const { tensors, metadata } = decodeSafetensors(readFileSync(file), file);
const references = JSON.parse(metadata.crossValidated!) as Reference[];
const numbersOf = (name: string): Int32Array =>
  Int32Array.from(tensors.get(name)!.data as BigInt64Array, Number);

function loadSet({ data, classes }: Reference): FeatureSet {
  const { dims, data: features } = tensors.get(`${data}/features`)!;
  const [rows, dim] = dims as [number, number];
  const names = Array.from({ length: classes }, (_, c) => String(c));
  return {
    rows,
    dim,
    features: features as Float32Array,
    labels: numbersOf(`${data}/labels`),
    classes: names,
  };
}

describe('A head on folds of its training part', () => {
  for (const reference of references) {
    const { data, l2, balanced, accuracy, loss } = reference;
    it(`does on each fold as scikit-learn does: ${data}, L2 ${l2}${balanced ? ', balanced' : ''}`, async () => {
      const training: TrainOptions = { l2, threads: 1, ...(balanced && { classWeights: 'balanced' }) };
      const folds = numbersOf(`${data}/folds`);
      const input = { train: loadSet(reference), folds, foldCount: 5, training, stoppedAt: 1 };
      const { crossValidation: found } = await crossValidateHead(input, {});
      expect(found.folds).to.equal(5);
      for (const [fold, value] of accuracy.entries()) {
        expect(found.accuracy!.perFold[fold]).to.be.closeTo(value, 1e-9);
        expect(found.loss.perFold[fold]).to.be.closeTo(loss[fold]!, 1e-3);
      }
      const mean = accuracy.reduce((sum, value) => sum + value) / 5;
      expect(found.accuracy!.mean).to.be.closeTo(mean, 1e-9);
      const squares = accuracy.reduce((sum, value) => sum + (value - mean) ** 2, 0);
      expect(found.accuracy!.std).to.be.closeTo(Math.sqrt(squares / 4), 1e-9);
    });
  }

  const train = madeUpFeatures({ rows: 120, dim: 8, classCount: 3, spread: 2 });
  const folds = assignFolds(train.labels, 3, 3);
  const foldCount = 3;

  for (const more of [
    {},
    { schedule: 'cosine', epochs: 12 },
    { mixup: 0.2 },
  ] as const satisfies TrainOptions[]) {
    it(`is judged after as many epochs as the head was trained, not the best ones: ${JSON.stringify(more)}`, async () => {
      const base: TrainOptions = { batch: 16, threads: 1, ...more };
      const training: TrainOptions = { ...base, solver: 'adamw', lr: 0.05 };
      const stoppedAt = 8;
      const { crossValidation: found } = await crossValidateHead(
        { train, folds, foldCount, training, stoppedAt },
        {},
      );
      for (let fold = 0; fold < foldCount; fold++) {
        const setting = { train, folds, base, epochs: training.epochs ?? stoppedAt };
        const candidate = { head: { kind: 'linear' }, solver: 'adamw', l2: 1, lr: 0.05 } as const;
        const { history } = await fitFold(candidate, setting, fold);
        const { loss, accuracy } = history[stoppedAt - 1]!.validation!;
        expect(found.loss.perFold[fold]).to.be.closeTo(loss, 1e-4);
        expect(found.accuracy!.perFold[fold]).to.be.closeTo(accuracy!, 1e-9);
      }
    });
  }

  it('ends where L-BFGS ends: after its iterations, or at its tolerance', async () => {
    const given = async (more: TrainOptions) => {
      const training = { threads: 1, ...more };
      return (await crossValidateHead({ train, folds, foldCount, training, stoppedAt: 9 }, {}))
        .crossValidation;
    };
    const whole = await given({});
    for (const more of [{ epochs: 2 }, { tolerance: 0.05 }]) {
      const { loss } = await given(more);
      expect(Math.abs(loss.mean - whole.loss.mean)).to.be.above(1e-3);
    }
  });

  it('tells how many folds are done, up to all of them', async () => {
    for (const training of [{}, { solver: 'adamw' }, { solver: 'adamw', mixup: 0.2 }] as const) {
      const told: number[] = [];
      await crossValidateHead(
        { train, folds, foldCount, training: { threads: 1, ...training }, stoppedAt: 4 },
        { onFold: ({ done, total }) => told.push(done / total) },
      );
      expect(told.at(-1)).to.equal(1);
      expect(told).to.deep.equal(told.toSorted());
    }
  });

  for (const training of [{}, { solver: 'adamw', lr: 0.05 }, { head: { kind: 'prototype' } }] as const) {
    it(`judges each example by the head that was not trained on it: ${JSON.stringify(training)}`, async () => {
      const options = { threads: 1, batch: 16, ...training };
      const input = { train, folds, foldCount, training: options, stoppedAt: 8 };
      const { heldOut } = await crossValidateHead(input, {});
      for (let fold = 0; fold < foldCount; fold++) {
        const { kept, held } = foldParts({ train, folds }, fold);
        const { head } = await trainHead(kept, undefined, {
          ...options,
          ...('solver' in training && { epochs: 8 }),
        });
        const { outputs } = await scoreHead(head, held, 1);
        for (const [i, row] of rowsOfFold(folds, fold).entries()) {
          const own = outputs.subarray(3 * i, 3 * i + 3);
          const best = own.indexOf(Math.max(...own));
          expect(heldOut!.predictions[row]).to.equal(best);
          expect(heldOut!.confidence[row]).to.equal(own[best]);
          expect(heldOut!.labelProbability[row]).to.equal(own[train.labels[row]!]);
        }
      }
    });
  }

  it('is refused where the loss of a fold becomes infinite', async () => {
    const training: TrainOptions = { solver: 'sgd', lr: 1e30, threads: 1 };
    const error = await crossValidateHead({ train, folds, foldCount, training, stoppedAt: 4 }, {}).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.an('error').with.property('code', 'TRAINING_FAILED');
    expect((error as Error).message).to.match(/infinite on one of the --folds.*--lr/);
  });
});
