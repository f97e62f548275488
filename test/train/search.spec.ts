import { expect } from 'chai';
import { assignFolds } from '../../src/dataset/assign-folds.js';
import { defaultPenalties, parseGrid } from '../../src/pipeline/search-grid.js';
import { createRng } from '../../src/rng.js';
import type { Candidate, Judged } from '../../src/train/candidate.js';
import { crossValidate } from '../../src/train/cross-validate.js';
import type { FeatureSet } from '../../src/train/feature-set.js';
import { findRate, suggest } from '../../src/train/find-rate.js';
import { squadsOf } from '../../src/train/judge-replicas.js';
import { errorAt, fitPowerLaw, judgeCurve, measureLearningCurve } from '../../src/train/learning-curve.js';
import { rowsInMemory } from '../../src/train/row-source.js';
import { selectCandidate } from '../../src/train/select-candidate.js';
import { selectRows } from '../../src/train/select-rows.js';
import { trainHead } from '../../src/train/train-head.js';
import { madeUpFeatures } from './made-up-features.js';

function drawSet(rows: number, dim: number): FeatureSet {
  const rng = createRng(8);
  const labels = Int32Array.from({ length: rows }, (_, row) => row % 3);
  const features = Float32Array.from(
    { length: rows * dim },
    (_, at) => rng.normal() + (at % dim === labels[Math.floor(at / dim)] ? 1.5 : 0),
  );
  return { rows, dim, features, labels, classes: ['a', 'b', 'c'] };
}

function judged(l2: number, folds: readonly number[], more: Partial<Candidate> = {}): Judged {
  const mean = folds.reduce((a, b) => a + b) / folds.length;
  const std = Math.sqrt(folds.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (folds.length - 1));
  const candidate: Candidate = { head: { kind: 'linear' }, solver: 'lbfgs', l2, ...more };
  const scores = folds.map((accuracy) => ({ loss: 1 - accuracy, accuracy }));
  return { candidate, folds, scores, mean, std, loss: 1 - mean, train: 1 };
}

describe('What a search keeps', () => {
  const best = judged(1, [0.9, 0.94, 0.92, 0.96]);
  const near = judged(10, [0.9, 0.92, 0.92, 0.94]);
  const far = judged(100, [0.8, 0.82, 0.8, 0.82]);
  const big = judged(1000, [0.9, 0.92, 0.92, 0.94], {
    head: { kind: 'mlp', hidden: [8], activation: 'relu', dropout: 0 },
    solver: 'adamw',
  });
  const weightsOf = ({ head }: Candidate): number => (head.kind === 'mlp' ? 100 : 10);

  it('is the largest penalty within one standard error of the best mean, not beyond, on the smallest head', () => {
    const { chosen, highest, standardError } = selectCandidate([far, best, near, big], 'one-se', weightsOf);
    expect(standardError).to.be.closeTo(best.std / 2, 1e-12);
    expect(best.mean - near.mean).to.be.below(standardError);
    expect(chosen).to.equal(near);
    expect(highest).to.equal(best);
  });

  it('is the best mean where that is asked for', () => {
    expect(selectCandidate([far, near, best], 'best', weightsOf).chosen).to.equal(best);
  });

  it('is none that was dropped on the way', () => {
    const dropped: Judged = { ...best, droppedAt: 3 };
    expect(selectCandidate([dropped, near, far], 'best', weightsOf).chosen).to.equal(near);
  });
});

describe('Cross-validation', () => {
  const mlp = { kind: 'mlp', hidden: [8], activation: 'relu', dropout: 0.2 } as const;
  const train = drawSet(90, 6);
  const folds = assignFolds(train.labels, 3, 3);

  it('judges a candidate that goes by epochs at one epoch for all folds, as fits of their own are then', async () => {
    const candidate: Candidate = { head: { kind: 'linear' }, solver: 'adamw', l2: 1, lr: 0.05 };
    const base = { batch: 32, threads: 1 };
    const [found] = await crossValidate([candidate], { train, folds, foldCount: 3, base, epochs: 12 });
    const rows = Array.from(folds.keys());
    for (let fold = 0; fold < 3; fold++) {
      const alone = await trainHead(
        selectRows(
          train,
          rows.filter((row) => folds[row] !== fold),
        ),
        selectRows(
          train,
          rows.filter((row) => folds[row] === fold),
        ),
        { ...base, epochs: 12, solver: 'adamw', l2: 1, lr: 0.05, patience: 100 },
      );
      expect(alone.history[found!.epochs! - 1]!.validation!.accuracy).to.equal(found!.folds[fold]);
    }
  });

  it('judges at the last epoch where the rates fall to it, so that what is trained is what was judged', async () => {
    const candidates = [0.05, 0.5].map((lr): Candidate => ({
      ...{ head: { kind: 'linear' }, solver: 'adamw', l2: 0.01, lr },
    }));
    for (const [rates, epochs] of [
      [{ schedule: 'cosine' }, 15],
      [{ warmUp: 0.1 }, 15],
      [{}, undefined],
    ] as const) {
      const base = { batch: 16, threads: 1, ...rates };
      for (const some of [candidates, [{ ...candidates[1]!, head: mlp }]]) {
        const [found] = await crossValidate(some, { train, folds, foldCount: 3, base, epochs: 15 });
        if (epochs) expect(found!.epochs).to.equal(epochs);
        else expect(found!.epochs).to.be.below(15);
      }
    }
  });

  it('takes the batch that is usual for all examples on each fold too, in a learning curve as well', async () => {
    const set = madeUpFeatures({ rows: 600 });
    // 600 examples are usually taken 32 at a time, the 450 of three folds 16.
    const setting = { train: set, folds: assignFolds(set.labels, 4, 4), foldCount: 4, epochs: 3 };
    const candidates = [1e-3, 3e-3].map((lr): Candidate => ({
      head: { kind: 'linear' },
      solver: 'adamw',
      l2: 1,
      lr,
    }));
    for (const some of [candidates, candidates.slice(1), [{ ...candidates[0]!, head: mlp }]]) {
      const judgeBy = (batch?: number) =>
        crossValidate(some, { ...setting, base: { threads: 1, ...(batch && { batch }) } });
      const [usual, same, other] = [await judgeBy(), await judgeBy(32), await judgeBy(16)];
      expect(usual).to.deep.equal(same);
      expect(usual[0]!.loss).not.to.equal(other[0]!.loss);
    }
    const [judged] = await crossValidate(candidates.slice(1), { ...setting, base: { threads: 1 } });
    const curve = (batch?: number) =>
      measureLearningCurve(judged!, {
        ...setting,
        base: { threads: 1, ...(batch && { batch }) },
        shares: [0.5, 1],
      });
    expect(await curve()).to.deep.equal(await curve(32));
  });

  it('does not bound L-BFGS by the epochs of other solvers', async () => {
    const candidate: Candidate = { head: { kind: 'linear' }, solver: 'lbfgs', l2: 0.1 };
    const setting = { train, folds, foldCount: 3 };
    // Balanced classes go fit by fold, not through the sweep.
    const judge = (epochs?: number) =>
      crossValidate([candidate], {
        ...setting,
        base: { classWeights: 'balanced', threads: 1 },
        epochs,
      });
    expect((await judge(1))[0]!.loss).to.equal((await judge())[0]!.loss);
  });

  it('judges candidates that are trained at once as one by one, those of another head or seed too', async () => {
    const mlp = { kind: 'mlp', hidden: [4], activation: 'relu', dropout: 0 } as const;
    const candidates: Candidate[] = [
      { head: { kind: 'linear' }, solver: 'adamw', l2: 1, lr: 0.05 },
      { head: mlp, solver: 'adamw', l2: 1, lr: 0.02, seed: 1 },
      { head: { kind: 'linear' }, solver: 'sgd', l2: 0, lr: 0.05, weightDecay: 0.3 },
      { head: mlp, solver: 'adamw', l2: 1, lr: 0.02, seed: 2 },
    ];
    const setting = { train, folds, foldCount: 3, base: { batch: 32, threads: 1 }, epochs: 6 };
    const together = await crossValidate(candidates, setting);
    expect(together.map(({ candidate }) => candidate)).to.deep.equal(candidates);
    for (const [i, candidate] of candidates.entries()) {
      const [alone] = await crossValidate([candidate], setting);
      expect(together[i]!.loss).to.be.closeTo(alone!.loss, 1e-5);
      expect(together[i]!.epochs).to.equal(alone!.epochs);
    }
    expect(together[1]!.loss).to.not.be.closeTo(together[3]!.loss, 1e-5);
  });

  it('judges folds and seeds side by side as one after another, where features that are streamed go', async () => {
    const heads: Candidate['head'][] = [
      { kind: 'linear' },
      { kind: 'mlp', hidden: [5], activation: 'tanh', dropout: 0 },
    ];
    for (const head of heads) {
      const candidates: Candidate[] = [3, 4].flatMap((seed) =>
        [0.003, 0.03].map((lr) => ({ head, solver: 'adamw', l2: 1, lr, seed })),
      );
      const setting = { folds, foldCount: 3, base: { batch: 16, threads: 1 }, epochs: 4 };
      expect(squadsOf(candidates, { ...setting, train }).map(({ groups }) => groups.length)).to.deep.equal([
        2,
      ]);
      const together = await crossValidate(candidates, { ...setting, train });
      const streamed = { ...train, features: rowsInMemory(train.features, train.dim) };
      const apart = await crossValidate(candidates, { ...setting, train: streamed });
      for (const [i, { loss, folds: figures, candidate }] of together.entries()) {
        expect(candidate).to.equal(candidates[i]);
        expect(loss).to.be.closeTo(apart[i]!.loss, 1e-5);
        expect(figures).to.deep.equal(apart[i]!.folds);
      }
      expect(together[0]!.loss).to.not.be.closeTo(together[2]!.loss, 1e-6);
    }
  });

  it('drops most of many such candidates early, the bad rates first', async () => {
    const rates = [1e-6, 1e-5, 1e-4, 1e-3, 3e-2, 5e-2];
    const candidates = rates.map((lr): Candidate => ({
      head: { kind: 'linear' },
      solver: 'adamw',
      l2: 1,
      lr,
    }));
    const base = { batch: 32, threads: 1 };
    const found = await crossValidate(candidates, { train, folds, foldCount: 3, base, epochs: 9 });
    const finished = found.filter(({ droppedAt }) => droppedAt === undefined);
    expect(finished.map(({ candidate }) => candidate.lr)).to.have.members([3e-2, 5e-2]);
    expect(found.filter(({ droppedAt }) => droppedAt === 1)).to.have.length(4);
  });

  it('goes on with rates that train, though numbers are told worse than by their mean at first, not with those that fail', async () => {
    const rng = createRng(3);
    const noise = (count: number) => Float32Array.from({ length: count }, () => rng.normal());
    const set: FeatureSet = {
      ...{ rows: 60, dim: 40, features: noise(60 * 40), targets: noise(60) },
      ...{ labels: new Int32Array(), classes: ['number'] },
    };
    const candidates = [1e-4, 1e-3, 1e-2, 1e20, 1e25, 1e30].map((lr): Candidate => ({
      ...{ head: { kind: 'linear' }, solver: 'sgd', l2: 1, lr },
    }));
    const found = await crossValidate(candidates, {
      ...{ train: set, folds: Int32Array.from({ length: 60 }, (_, row) => row % 3), foldCount: 3, epochs: 9 },
      base: { task: 'regression', batch: 16, threads: 1 },
    });
    const worst = found.slice(0, 3).map(({ mean }) => mean);
    expect(Math.max(...worst)).to.be.below(0);
    expect(found.map(({ droppedAt }) => droppedAt)).to.have.members([undefined, undefined, 1, 0, 0, 0]);
    expect(found.slice(3).map(({ droppedAt }) => droppedAt)).to.deep.equal([0, 0, 0]);
  });
});

describe('The grid of a search', () => {
  it('is twelve penalties, half a decade apart, for a linear head', () => {
    expect(defaultPenalties(2062)).to.deep.equal([0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000]);
    expect(parseGrid({})(2062)).to.have.length(12);
  });

  it('has weight decays in place of penalties, dropout for MLPs alone, and each seed', () => {
    const found = parseGrid({
      ...{ heads: 'linear,mlp', solvers: 'adamw', lr: '0.01' },
      ...{ weightDecay: '0,0.1', dropout: '0,0.3', seeds: '1,2' },
    })(100);
    const described = found.map(({ head, weightDecay, seed }) =>
      [head.kind === 'mlp' ? head.dropout : head.kind, weightDecay, seed].join(' '),
    );
    const each = (head: string) => ['0 1', '0 2', '0.1 1', '0.1 2'].map((rest) => `${head} ${rest}`);
    expect(described).to.deep.equal([...each('linear'), ...each('0'), ...each('0.3')]);
    expect(new Set(found.map(({ l2 }) => l2))).to.deep.equal(new Set([0]));
  });

  for (const [options, message] of [
    [{ l2: '1,,2' }, /--l2 .* item is empty/],
    [{ l2: '1,cat' }, /numbers above 0 .*--l2.*"cat"/],
    [{ l2: '-1' }, /--l2.*"-1"/],
    [{ lr: '0' }, /--lr.*"0"/],
    [{ heads: 'linear,tree' }, /linear, mlp, cosine, prototype .*"tree"/],
    [{ solvers: 'adam' }, /lbfgs, adamw, sgd .*"adam"/],
    [{ solvers: 'adamw', weightDecay: '0,-1' }, /--weight-decay.*"-1"/],
    [{ heads: 'mlp', dropout: '0.5,1' }, /--dropout.*"1"/],
    [{ solvers: 'sgd', seeds: '1.5' }, /--seeds.*"1.5"/],
    [{ seeds: '1,2' }, /--seeds is for the solvers that go by epochs/],
    [{ solvers: 'adamw', dropout: '0.5' }, /--dropout is for MLPs/],
    [{ solvers: 'adamw', weightDecay: '0.1', l2: '1' }, /--weight-decay stands in place of --l2/],
  ] as const) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      expect(() => parseGrid(options)).to.throw(message);
    });
  }
});

describe('A learning curve', () => {
  it('finds the power law that its points lie on', () => {
    const law = { a: 0.02, b: 1.5, c: 0.5 };
    const points = [100, 200, 400, 700, 1000].map((n) => ({ n, error: errorAt(law, n), deviation: 0.01 }));
    const found = fitPowerLaw(points);
    expect(found.c).to.be.closeTo(0.5, 1e-9);
    expect(errorAt(found, 2000)).to.be.closeTo(errorAt(law, 2000), 1e-9);
  });

  it('of epochs is the cross-validation where it ends, and gives fewer examples as many steps', async () => {
    const { rows, dim, features } = drawSet(400, 4);
    const targets = Float32Array.from(
      { length: rows },
      (_, row) => features[row * dim]! - features[row * dim + 3]!,
    );
    const set = { rows, dim, features, targets, labels: new Int32Array(), classes: ['number'] };
    const setting = {
      ...{ train: set, folds: Int32Array.from(targets.keys(), (row) => row % 2), foldCount: 2 },
      base: { task: 'regression', threads: 1 },
    } as const;
    const candidate: Candidate = { head: { kind: 'linear' }, solver: 'adamw', l2: 0.1, lr: 0.02 };
    const [judged] = await crossValidate([candidate], { ...setting, epochs: 12 });
    const { sizes } = await measureLearningCurve(judged!, { ...setting, shares: [0.1, 1] });
    expect(sizes[1]!.mean).to.be.closeTo(judged!.mean, 1e-6);
    // 20 examples say all there is to learn here, in as many steps as 200 take.
    expect(judged!.mean).to.be.above(0.95);
    expect(sizes[0]!.mean).to.be.above(0.9);
  });

  it('says whether more data would help', () => {
    const sizes = (error: (n: number) => number) =>
      [100, 200, 400, 700, 1000].map((n) => ({
        share: n / 1000,
        examples: n,
        mean: 1 - error(n),
        std: 0.01,
        train: 1,
      }));
    expect(
      judgeCurve(
        sizes((n) => n ** -0.5),
        5,
      ).verdict,
    ).to.equal('more data would help');
    expect(
      judgeCurve(
        sizes(() => 0.05),
        5,
      ).verdict,
    ).to.equal('more data would hardly help');
  });
});

describe('The learning-rate range test', () => {
  it('suggests the smaller of the steepest fall and a tenth of the lowest', () => {
    const points = Array.from({ length: 41 }, (_, i) => {
      const lr = 10 ** (-4 + i / 10);
      // Falls around 1e-2, is lowest at 1e-1, rises after it.
      const smoothed = 1 / (1 + (lr / 1e-2) ** 2) + Math.max(0, Math.log10(lr / 0.1));
      return { lr, loss: smoothed, smoothed };
    });
    const { steepest, tenthOfLowest, suggestion } = suggest(points);
    expect(steepest).to.be.within(7e-3, 1.4e-2);
    expect(tenthOfLowest).to.be.closeTo(1e-2, 1e-9);
    expect(suggestion).to.be.closeTo(Math.min(steepest, tenthOfLowest), 5e-4);
  });

  it('suggests the same for numbers in other units, a rate at which they are learned', async () => {
    const { rows, dim, features } = drawSet(240, 8);
    const exact = Float32Array.from(
      { length: rows },
      (_, row) => features[row * dim]! - features[row * dim + 3]!,
    );
    const numbers = (unit: number): FeatureSet => ({
      ...{ rows, dim, features, labels: new Int32Array(), classes: ['number'] },
      targets: exact.map((value) => unit * (50 + value)),
    });
    const suggestionFor = async (unit: number) =>
      (
        await findRate(numbers(unit), {
          ...{ head: { kind: 'linear' }, task: 'regression', solver: 'adamw', threads: 1 },
        })
      ).suggestion;
    const lr = await suggestionFor(1);
    expect(await suggestionFor(1024)).to.equal(lr);
    const options = { task: 'regression', solver: 'adamw', epochs: 5, threads: 1 } as const;
    const { train: score } = await trainHead(numbers(1024), undefined, { ...options, lr });
    expect(score.r2).to.be.above(0.9);
  });

  it('ends where the loss runs away, and suggests a rate that trains', async () => {
    const train = drawSet(300, 8);
    const test = await findRate(train, {
      head: { kind: 'linear' },
      task: 'single',
      solver: 'sgd',
      batch: 32,
      to: 1000,
      threads: 1,
    });
    expect(test.points.length).to.be.below(100);
    const rates = [test.suggestion, 1e-5];
    const losses: number[] = [];
    for (const lr of rates) {
      const { train: score } = await trainHead(train, undefined, {
        solver: 'sgd',
        lr,
        epochs: 3,
        batch: 32,
        threads: 1,
      });
      losses.push(score.loss);
    }
    expect(losses[0]).to.be.below(0.8 * losses[1]!);
  });
});
