import { float32, type Tensor } from '../tensor/tensor.js';
import { biasName } from '../tasks/task.js';
import { blocksOf } from './feature-blocks.js';
import type { AnyFeatureSet } from './feature-set.js';
import { selectRows } from './select-rows.js';
import type { Fit, Fitted } from './fit.js';

/** Rows that the factor is fitted on: one number needs no more. Of very many classes fewer, for their scores are many. */
const temperatureRows = 8192;
const mostScores = 2 ** 24;
const largestFactor = 10;

/**
 * Class means, and the factor τ that makes the probabilities fit the training part best. Nothing is trained by steps;
 * the objective is the sum of the losses. A class without examples has no mean: it gets the lowest score that any example
 * has for any class, so that it is never the best one (its mean would be the origin, which may be the nearest of all).
 */
export async function fitPrototypes(fit: Fit): Promise<Fitted> {
  const { train } = fit;
  const { dim, rows, classes } = train;
  const classCount = classes.length;
  const { means, counts } = await meanFeatures(train);
  const weight = new Float32Array(dim * classCount);
  const bias = new Float32Array(classCount);
  for (let c = 0; c < classCount; c++) {
    let squares = 0;
    for (let d = 0; d < dim; d++) {
      const mean = means[c * dim + d]!;
      weight[d * classCount + c] = mean;
      squares += mean * mean;
    }
    bias[c] = -0.5 * squares;
  }
  const at = (factor: number): Map<string, Tensor> =>
    new Map([
      [
        'head/weight',
        float32(
          [dim, classCount],
          weight.map((w) => factor * w),
        ),
      ],
      [
        biasName,
        float32(
          [classCount],
          bias.map((b) => factor * b),
        ),
      ],
    ]);
  const stride = Math.max(1, Math.ceil(rows / Math.min(temperatureRows, Math.ceil(mostScores / classCount))));
  const picked = Array.from({ length: Math.ceil(rows / stride) }, (_, i) => i * stride);
  const scores = await scoreRows(selectRows(train, picked), weight, bias);
  const lowest = scores.reduce((a, b) => Math.min(a, b), 0);
  for (let c = 0; c < classCount; c++) {
    if (counts[c] !== 0) continue;
    bias[c] = lowest;
    for (let i = c; i < scores.length; i += classCount) scores[i] = lowest;
  }
  const factor = fitFactor(
    scores,
    picked.map((row) => train.labels[row]!),
    classCount,
  );
  const parameters = at(factor);
  const { loss } = await fit.scoreTrain(parameters);
  await fit.record(1, loss * rows, parameters);
  return { parameters, objective: loss * rows, stoppedAt: 1 };
}

/** Means [classes, dim] in float64, and how many examples of each class there are. */
async function meanFeatures(
  train: AnyFeatureSet,
): Promise<{ readonly means: Float64Array; readonly counts: Float64Array }> {
  const { labels, dim, classes } = train;
  const means = new Float64Array(classes.length * dim);
  const counts = new Float64Array(classes.length);
  for await (const { from, to, values } of blocksOf(train)()) {
    for (let row = from, at = 0; row < to; row++, at += dim) {
      const into = labels[row]! * dim;
      counts[labels[row]!]!++;
      for (let d = 0; d < dim; d++) means[into + d]! += values[at + d]!;
    }
  }
  return { means: means.map((sum, i) => sum / Math.max(1, counts[Math.floor(i / dim)]!)), counts };
}

async function scoreRows(
  set: AnyFeatureSet,
  weight: Float32Array,
  bias: Float32Array,
): Promise<Float64Array> {
  const { dim, rows } = set;
  const classCount = bias.length;
  const scores = new Float64Array(rows * classCount);
  for await (const { from, to, values } of blocksOf(set)()) {
    for (let row = from, at = 0; row < to; row++, at += dim) {
      const own = scores.subarray(row * classCount, (row + 1) * classCount);
      own.set(bias);
      for (let d = 0; d < dim; d++) {
        const x = values[at + d]!;
        for (let c = 0; c < classCount; c++) own[c]! += x * weight[d * classCount + c]!;
      }
    }
  }
  return scores;
}

/** The loss is convex in τ: its slope Σ (mean of the scores under softmax(τ s) - score of the label) is bisected. */
function fitFactor(scores: Float64Array, labels: readonly number[], classCount: number): number {
  const slopeAt = (factor: number): number => {
    let slope = 0;
    labels.forEach((label, row) => {
      const own = scores.subarray(row * classCount, (row + 1) * classCount);
      const most = own.reduce((a, b) => Math.max(a, b));
      let total = 0;
      let mean = 0;
      for (const score of own) {
        const p = Math.exp(factor * (score - most));
        total += p;
        mean += p * score;
      }
      slope += mean / total - own[label]!;
    });
    return slope;
  };
  let [low, high] = [1e-6, largestFactor];
  if (slopeAt(high) <= 0) return high;
  for (let i = 0; i < 40; i++) {
    const middle = Math.sqrt(low * high);
    if (slopeAt(middle) > 0) high = middle;
    else low = middle;
  }
  return Math.sqrt(low * high);
}
