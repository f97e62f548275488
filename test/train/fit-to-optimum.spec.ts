import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { createRng } from '../../src/rng.js';
import { decodeSafetensors } from '../../src/tensor/safetensors.js';
import type { FeatureSet } from '../../src/train/feature-set.js';
import { fitStandardization, standardize } from '../../src/train/standardize.js';
import { trainHead } from '../../src/train/train-head.js';
import { madeUpFeatures } from './made-up-features.js';

interface Case {
  readonly key: string;
  readonly data: string;
  readonly l2: number;
  readonly standardize: boolean;
  readonly balanced: boolean;
  readonly classes: number;
  readonly objective: number;
}

const file = 'test/train/fixtures/logistic.safetensors';
const { tensors, metadata } = decodeSafetensors(readFileSync(file), file);
const cases = JSON.parse(metadata.cases!) as Case[];

function loadSet({ data, classes }: Case): FeatureSet {
  const features = tensors.get(`${data}/features`)!;
  const [rows, dim] = features.dims as [number, number];
  return {
    rows,
    dim,
    features: features.data as Float32Array,
    labels: Int32Array.from(tensors.get(`${data}/labels`)!.data as BigInt64Array, Number),
    classes: Array.from({ length: classes }, (_, i) => String(i)),
  };
}

describe('fitStandardization', () => {
  it('keeps features whose spread is small, whatever their unit, and calls those constant that do not vary', () => {
    const shape = [-1.5, 0.25, 2, -0.75];
    for (const unit of [1, 1e-10, 1e-19, 1e-25]) {
      const features = Float32Array.from(shape, (value) => unit * value);
      const { std } = fitStandardization({ features, dim: 1, rows: 4 });
      expect(std[0]! / unit).to.be.closeTo(1.311011, 1e-6);
    }
    const constant = Float32Array.from([0, 0.1, 0, 0.1, 0, 0.1]);
    expect(fitStandardization({ features: constant, dim: 2, rows: 3 }).std).to.deep.equal(
      Float64Array.of(1, 1),
    );
  });
});

describe('L-BFGS on a linear head', () => {
  for (const setting of cases) {
    const { key, data, l2, standardize, balanced, objective } = setting;
    const title =
      `${data} with L2 ${l2}` +
      (standardize ? '' : ', features as they are') +
      (balanced ? ', balanced' : '');
    it(`reaches the optimum that scikit-learn finds: ${title}`, async () => {
      const set = loadSet(setting);
      const result = await trainHead(set, undefined, {
        l2,
        standardize,
        classWeights: balanced ? 'balanced' : 'none',
        threads: 1,
      });
      expect(result.objective / objective - 1).to.be.within(-1e-8, 1e-6);
      const coef = tensors.get(`${key}/coef`);
      if (coef) expectScoresLike(set, result.head.parameters, coef.data as Float64Array, setting);
    });
  }

  it('reports the objective that the exported weights have', async () => {
    for (const setting of cases.filter(({ data }) => data === 'two' || data === 'three')) {
      const set = loadSet(setting);
      const { objective, head } = await trainHead(set, undefined, {
        ...setting,
        classWeights: 'none',
        standardize: false,
        threads: 1,
      });
      const weights = head.parameters.get('head/weight')!.data as Float32Array;
      const logits = scoresOf(set, head.parameters);
      let value = 0;
      for (let row = 0; row < set.rows; row++) {
        const z = logits.slice(row * setting.classes, (row + 1) * setting.classes);
        const most = Math.max(...z);
        value += Math.log(z.reduce((sum, zi) => sum + Math.exp(zi - most), 0)) + most - z[set.labels[row]!]!;
      }
      for (const w of weights) value += 0.5 * setting.l2 * w * w;
      expect(value / objective - 1).to.be.within(-2e-6, 2e-6);
    }
  });

  for (const tolerance of [1e-3, 1e-5, 1e-7]) {
    it(`stops as soon as no component of the mean objective's gradient is above a tolerance of ${tolerance}`, async () => {
      const raw = madeUpFeatures({ rows: 300, dim: 8, classCount: 3 });
      const set = standardize(raw, fitStandardization(raw));
      const options = { l2: 0.5, standardize: false, threads: 1, tolerance };
      const { head, convergence } = await trainHead(set, undefined, options);
      const largest = largestGradient(set, head.parameters, options.l2);
      expect(convergence!.reason).to.equal('gradient');
      expect(convergence!.gradient).to.be.at.most(tolerance);
      // The weights are kept in float32, whose rounding moves the gradient by about 1e-7.
      expect(convergence!.gradient).to.be.closeTo(largest, 0.01 * largest + 3e-7);
      const { iterations } = convergence!;
      const before = await trainHead(set, undefined, {
        ...options,
        tolerance: 1e-18,
        epochs: iterations - 1,
      });
      expect(before.convergence!.reason).to.equal('iterations');
      expect(before.convergence!.gradient).to.be.above(tolerance);
    });
  }

  it('takes few iterations where features vary along few directions, as those of networks do', async () => {
    const rng = createRng(3);
    const [rows, dim, factors] = [300, 120, 10];
    const loadings = Float32Array.from({ length: factors * dim }, () => rng.normal());
    const features = Float32Array.from({ length: rows * dim }, () => 0.3 * rng.normal());
    const labels = new Int32Array(rows);
    for (let row = 0; row < rows; row++) {
      for (let k = 0; k < factors; k++) {
        const factor = rng.normal();
        labels[row]! += factor > 1 ? 1 : 0;
        for (let d = 0; d < dim; d++) features[row * dim + d]! += factor * loadings[k * dim + d]!;
      }
    }
    const classes = Array.from({ length: 1 + Math.max(...labels) }, (_, i) => String(i));
    const { convergence } = await trainHead({ rows, dim, features, labels, classes }, undefined, { l2: 1 });
    expect(convergence!.reason).to.equal('objective');
    expect(convergence!.iterations).to.be.below(250);
  });

  it('says how far it came where rounding hides the way to a tolerance', async () => {
    const warnings: string[] = [];
    const { convergence } = await trainHead(loadSet(cases[0]!), undefined, {
      tolerance: 1e-18,
      logger: { info() {}, warn: (message) => warnings.push(message) },
    });
    expect(convergence!.reason).to.equal('precision');
    expect(convergence!.gradient).to.be.within(1e-18, 1e-10);
    expect(warnings.join()).to.match(/above the --tolerance 1e-18: rounding hides/);
  });

  it('says so where it was stopped before it had converged', async () => {
    const warnings: string[] = [];
    await trainHead(loadSet(cases[1]!), undefined, {
      epochs: 3,
      logger: { info() {}, warn: (message) => warnings.push(message) },
    });
    expect(warnings.join()).to.match(/stopped after 3 iterations.*--epochs/);
  });

  it('spreads a share of each target with label smoothing, which keeps scores apart by no more than that', async () => {
    const set = loadSet(cases.find(({ data }) => data === 'separable')!);
    const { head } = await trainHead(set, undefined, { l2: 1e-6, loss: { labelSmoothing: 0.3 }, threads: 1 });
    // Optimum of one example alone: p = 0.8 for its class and 0.1 for the two others.
    const logits = scoresOf(set, head.parameters);
    const gaps: number[] = [];
    for (let row = 0; row < set.rows; row++) {
      const z = logits.slice(row * 3, row * 3 + 3);
      const label = set.labels[row]!;
      gaps.push(z[label]! - Math.max(...z.filter((_, c) => c !== label)));
    }
    expect(gaps.reduce((a, b) => a + b) / gaps.length).to.be.within(1, Math.log(8) + 0.1);
  });
});

function scoresOf(set: FeatureSet, parameters: ReadonlyMap<string, { readonly data: unknown }>): number[] {
  const weights = parameters.get('head/weight')!.data as Float32Array;
  const bias = parameters.get('head/bias')!.data as Float32Array;
  const scores: number[] = [];
  for (let row = 0; row < set.rows; row++) {
    for (let c = 0; c < bias.length; c++) {
      let score = bias[c]!;
      for (let d = 0; d < set.dim; d++)
        score += set.features[row * set.dim + d]! * weights[d * bias.length + c]!;
      scores.push(score);
    }
  }
  return scores;
}

/** Of (Σ loss + λ/2 · ‖W‖²) / rows, in float64. */
function largestGradient(
  set: FeatureSet,
  parameters: ReadonlyMap<string, { readonly data: unknown }>,
  l2: number,
): number {
  const classes = set.classes.length;
  const weights = parameters.get('head/weight')!.data as Float32Array;
  const logits = scoresOf(set, parameters);
  const gradient = Float64Array.from(weights, (w) => l2 * w);
  const ofBias = new Float64Array(classes);
  for (let row = 0; row < set.rows; row++) {
    const z = logits.slice(row * classes, (row + 1) * classes);
    const sum = z.reduce((total, zi) => total + Math.exp(zi), 0);
    for (let c = 0; c < classes; c++) {
      const excess = Math.exp(z[c]!) / sum - (set.labels[row] === c ? 1 : 0);
      ofBias[c]! += excess;
      for (let d = 0; d < set.dim; d++)
        gradient[d * classes + c]! += excess * set.features[row * set.dim + d]!;
    }
  }
  return Math.max(...gradient.map(Math.abs), ...ofBias.map(Math.abs)) / set.rows;
}

/** The same score differences as scikit-learn's model, which may differ by a constant over the classes. */
function expectScoresLike(
  set: FeatureSet,
  parameters: ReadonlyMap<string, { readonly data: unknown }>,
  coef: Float64Array,
  { key, classes, standardize }: Case,
): void {
  const intercept = tensors.get(`${key}/intercept`)!.data as Float64Array;
  const { mean, std } = momentsOf(set, standardize);
  const columns = intercept.length;
  const scores = scoresOf(set, parameters);
  for (let row = 0; row < set.rows; row++) {
    const theirs = Array.from(intercept, (b, c) => {
      let score = b;
      for (let d = 0; d < set.dim; d++) {
        score += ((set.features[row * set.dim + d]! - mean[d]!) / std[d]!) * coef[c * set.dim + d]!;
      }
      return score;
    });
    if (columns === 1) theirs.unshift(0);
    for (let c = 1; c < classes; c++) {
      const ours = scores[row * classes + c]! - scores[row * classes]!;
      const wanted = theirs[c]! - theirs[0]!;
      expect(ours).to.be.closeTo(wanted, 0.02 * (1 + Math.abs(wanted)));
    }
  }
}

function momentsOf({ features, rows, dim }: FeatureSet, standardize: boolean) {
  const mean = new Float64Array(dim);
  const std = new Float64Array(dim).fill(1);
  if (!standardize) return { mean, std };
  for (let d = 0; d < dim; d++) {
    for (let row = 0; row < rows; row++) mean[d]! += features[row * dim + d]! / rows;
    let square = 0;
    for (let row = 0; row < rows; row++) square += (features[row * dim + d]! - mean[d]!) ** 2 / rows;
    std[d] = Math.sqrt(square);
  }
  return { mean, std };
}
