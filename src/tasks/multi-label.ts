/**
 * Any number of labels an example: a logistic regression each, over shared features.
 *
 *   p = σ(z)    loss = Σ over labels of  w₁ t softplus(-z) + w₀ (1 - t) softplus(z)
 *   dz = w₀ (1 - t) σ(z) - w₁ t σ(-z)
 *
 * w₀, w₁: weights of a label that is absent and of one that is present. Focal loss (γ), with q = 1 - p:
 *
 *   w₁ t q^γ softplus(-z) + w₀ (1 - t) p^γ softplus(z)
 *   dz = w₀ (1 - t) p^γ (p + γ q softplus(z)) - w₁ t q^γ (q + γ p softplus(-z))
 */
import { openLabelCounter } from '../metrics/multi-label.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { lossTape, type Precision } from './loss-tape.js';
import { measuredBy } from './measured-by.js';
import { countTargets } from './targets.js';
import { plainScores } from './plain-scores.js';
import { biasName, type LossInput, type Task } from './task.js';

export const multiLabel: Task = {
  kind: 'multi',
  targetForm: 'values',
  figure: { name: 'macroF1', title: 'macro F1' },
  outputNames: { logits: 'logits', outputs: 'probabilities' },
  ...plainScores,
  appendExactLoss(builder, input) {
    const tape = lossTape(builder, input.precision);
    const { op, sumRows, cast, toFloat64 } = tape;
    const { logits: z } = input;
    const terms = appendTerms(builder, input, input.precision);
    const softplus = tape.softplus64(z, 'softplus');
    const softplusNegative = op('Sub', [softplus, toFloat64(z, 'z64')], 'softplus_negative');
    let [ofPresent, ofAbsent] = [softplusNegative, softplus];
    let { dPresent, dAbsent } = terms;
    if (input.loss.focal) {
      const gamma = tape.scalar(input.loss.focal);
      const p = terms.dAbsent;
      const q = terms.dPresent;
      const focal = (base: string, other: string, softplus64: string, name: string) => {
        const power = op('Pow', [base, gamma], `${name}/power`);
        const pull = op(
          'Mul',
          [op('Mul', [gamma, other], `${name}/slope`), cast(softplus64, `${name}/soft`)],
          `${name}/pull`,
        );
        return {
          loss: op('Mul', [softplus64, toFloat64(power, `${name}/power64`)], `${name}/loss`),
          d: op('Mul', [power, op('Add', [base, pull], `${name}/sum`)], `${name}/d`),
        };
      };
      const present = focal(q, p, softplusNegative, 'focal_present');
      const absent = focal(p, q, softplus, 'focal_absent');
      [ofPresent, ofAbsent] = [present.loss, absent.loss];
      [dPresent, dAbsent] = [present.d, absent.d];
    }
    const losses = op(
      'Add',
      [
        op('Mul', [toFloat64(terms.present, 'present64'), ofPresent], 'loss_present'),
        op('Mul', [toFloat64(terms.absent, 'absent64'), ofAbsent], 'loss_absent'),
      ],
      'loss_labels',
    );
    const dLogits = op(
      'Sub',
      [op('Mul', [terms.absent, dAbsent], 'dz_absent'), op('Mul', [terms.present, dPresent], 'dz_present')],
      'dz',
    );
    return { losses: sumRows(losses, 'loss'), dLogits };
  },
  appendBatchGradient(builder, input, p) {
    const { op, scalar } = lossTape(builder, 'float32');
    const { loss, classWeights, target, logits: z } = input;
    if (!loss.focal && !classWeights && !loss.labelSmoothing) return op('Sub', [p, target], 'excess');
    const { present, absent, dPresent: q } = appendTerms(builder, input, 'float32');
    let [dPresent, dAbsent] = [q, p];
    if (loss.focal) {
      const gamma = scalar(loss.focal);
      const focal = (base: string, other: string, softplus: string, name: string) => {
        const pull = op('Mul', [op('Mul', [gamma, other], `${name}/slope`), softplus], `${name}/pull`);
        const power = op('Pow', [base, gamma], `${name}/power`);
        return op('Mul', [power, op('Add', [base, pull], `${name}/sum`)], `${name}/d`);
      };
      const softplus = op('Softplus', [z], 'softplus');
      dPresent = focal(q, p, op('Sub', [softplus, z], 'softplus_negative'), 'focal_present');
      dAbsent = focal(p, q, softplus, 'focal_absent');
    }
    return op(
      'Sub',
      [op('Mul', [absent, dAbsent], 'dz_absent'), op('Mul', [present, dPresent], 'dz_present')],
      'dz',
    );
  },
  appendOutputs: (builder, logits) => builder.op('Sigmoid', [logits], { name: 'head/sigmoid' }),
  /** [2, labels]: rows / (2 · rows without the label), then with it. */
  balance(set) {
    const { rows } = set;
    const counts = [...countTargets(set)];
    const weigh = (count: number): number => (count > 0 ? rows / (2 * count) : 0);
    return Float32Array.from([...counts.map((count) => weigh(rows - count)), ...counts.map(weigh)]);
  },
  /** [2, labels]: weight of the examples without each label, then with it. */
  sumTargets({ targets, rows, classes }, classWeights, include = () => true) {
    const labels = classes.length;
    const totals = new Float64Array(2 * labels);
    for (let row = 0; row < rows; row++) {
      if (!include(row)) continue;
      for (let c = 0; c < labels; c++) {
        const at = c + (targets![row * labels + c]! > 0.5 ? labels : 0);
        totals[at]! += classWeights?.[at] ?? 1;
      }
    }
    return totals;
  },
  prior(totals, labels) {
    const start = new Float64Array(labels);
    const curvature = new Float64Array(labels);
    for (let c = 0; c < labels; c++) {
      const [absent, present] = [totals[c]!, totals[c + labels]!];
      const share = Math.min(0.999, Math.max(0.001, present / (absent + present)));
      start[c] = Math.log(share / (1 - share));
      curvature[c] = (absent + present) * share * (1 - share);
    }
    return { start: new Map([[biasName, start]]), curvature };
  },
  ...measuredBy(({ targets, classes }) => {
    const counter = openLabelCounter(classes.length);
    return {
      add: (outputs, rows) => counter.add(outputs, targets!, rows),
      score() {
        const { accuracy, macroF1, microF1, loss } = counter.metrics();
        return { accuracy, macroF1, microF1, loss };
      },
    };
  }),
};

/** What each decision weighs, for a label that is present and for one that is not, and σ(-z), σ(z). */
function appendTerms(
  builder: GraphBuilder,
  { logits: z, target, outputCount, loss, classWeights }: LossInput,
  precision: Precision,
) {
  const { op, scalar, constant } = lossTape(builder, precision);
  let t = target;
  if (loss.labelSmoothing) {
    // t (1 - ε) + ε/2: a decision has two outcomes.
    const kept = op('Mul', [t, scalar(1 - loss.labelSmoothing)], 'kept');
    t = op('Add', [kept, scalar(loss.labelSmoothing / 2)], 'smoothed');
  }
  let present = t;
  let absent = op('Sub', [scalar(1), t], 'absent');
  if (classWeights) {
    const weights = (name: string, from: number) =>
      constant(name, [outputCount], classWeights.subarray(from, from + outputCount));
    absent = op('Mul', [absent, weights('absent_weights', 0)], 'absent_weighted');
    present = op('Mul', [present, weights('present_weights', outputCount)], 'present_weighted');
  }
  return {
    present,
    absent,
    dPresent: op('Sigmoid', [op('Neg', [z], 'z_negative')], 'q'),
    dAbsent: op('Sigmoid', [z], 'p'),
  };
}
