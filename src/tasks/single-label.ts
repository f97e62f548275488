/**
 * Classes that exclude each other: softmax and cross-entropy.
 *
 * With z the logits, p = softmax(z), t the one-hot target, s = Σ p over the wrong classes, w the weight of the class:
 *
 *   loss = -w log(1 - s)  where s < ½,  else  -w log p_true
 *   dz   = w (p over the wrong classes, -s at the true one)
 *
 * Written so, both keep their relative accuracy where the model is nearly sure: 1 - p in float32 would not, and a
 * separable problem could not be brought to its optimum. The sums of the losses are float64.
 *
 * Focal loss s^γ · loss has the gradient (s^γ - γ p_true s^(γ-1) log p_true) · dz.
 *
 * A mini-batch has the mass m of each class instead of a label: loss = -Σ m log p, dz = p Σm - m; focal with
 * k = (1-p)^γ - γ p (1-p)^(γ-1) log p:  dz = p Σ(m k) - m k.
 */
import { lossTape } from './loss-tape.js';
import { measuredBy } from './measured-by.js';
import { meterClasses } from './meter-classes.js';
import { balanceLabels, sumLabels } from './targets.js';
import { plainScores } from './plain-scores.js';
import { biasName, type Task } from './task.js';

/** Below it, p would be a denormal number of float32 or near one, with which products take ten times as long. */
const leastLogP = -60;

export const singleLabel: Task = {
  kind: 'single',
  targetForm: 'label',
  figure: { name: 'accuracy', title: 'accuracy' },
  outputNames: { logits: 'logits', outputs: 'probabilities' },
  ...plainScores,
  readout: (outputCount) => ({
    columns: outputCount,
    hasBias: true,
    onlyDifferencesCount: true,
    logits: outputCount,
  }),
  appendExactLoss(builder, { logits, target, outputCount, precision, loss: spec, classWeights }) {
    const { op, constant, scalar, cast, toFloat64, sumRows, spread } = lossTape(builder, precision);
    const tape64 = lossTape(builder, 'float64');
    const logP = op('LogSoftmax', [logits], 'log_softmax', { axis: 1 });
    const p = op('Exp', [op('Clip', [logP, scalar(leastLogP)], 'log_p_clipped')], 'p');
    const wrong = op('Sub', [p, op('Mul', [p, target], 'p_true')], 'p_wrong');
    const sure = sumRows(wrong, 'p_wrong_sum');
    const overClasses = (value: string, name: string): string => spread(value, outputCount, name);
    const excess = op('Mul', [target, overClasses(sure, 'p_wrong_spread')], 'p_excess');
    let dZ = op('Sub', [wrong, excess], 'dz');
    const sure64 = toFloat64(sure, 's64');
    const pTrue = op('Sub', [tape64.scalar(1), sure64], 'p_true64');
    const exact = op('Log', [pTrue], 'log_exact');
    const plain = toFloat64(sumRows(op('Mul', [target, logP], 'log_p_masked'), 'log_p'), 'log_plain');
    const isSure = op('Less', [sure, scalar(0.5)], 'is_sure');
    const logTrue = op('Where', [isSure, exact, plain], 'log_p_true');
    let losses = op('Neg', [logTrue], 'loss');

    if (spec.labelSmoothing) {
      // loss = -Σ t log p for a soft target t: the one-hot loss plus Σ (one-hot - t) log p.
      const share = scalar(spec.labelSmoothing / outputCount);
      const shift = op('Sub', [op('Mul', [target, scalar(spec.labelSmoothing)], 'taken'), share], 'shift');
      const extra = sumRows(op('Mul', [shift, logP], 'shifted'), 'extra');
      losses = op('Add', [losses, toFloat64(extra, 'extra64')], 'soft');
      dZ = op('Add', [dZ, shift], 'dz_soft');
    }
    if (spec.focal) {
      const gamma = tape64.scalar(spec.focal);
      const power = op('Pow', [sure64, gamma], 'focal_power');
      // log p / s tends to -1 where s vanishes; the addend keeps 0 / 0 away.
      const share = op('Div', [logTrue, op('Add', [sure64, tape64.scalar(1e-30)], 's_safe')], 'focal_share');
      const slope = op('Mul', [op('Mul', [gamma, pTrue], 'focal_slope'), share], 'focal_slope_share');
      const factor = op('Mul', [power, op('Sub', [tape64.scalar(1), slope], 'focal_rest')], 'focal_factor');
      losses = op('Mul', [losses, power], 'focal');
      dZ = op('Mul', [dZ, overClasses(cast(factor, 'focal_cast'), 'focal_spread')], 'dz_focal');
    }
    if (classWeights) {
      const weights = constant('class_weights', [outputCount], classWeights);
      const weight = sumRows(op('Mul', [target, weights], 'own_weights'), 'class_weight');
      losses = op('Mul', [losses, toFloat64(weight, 'class_weight64')], 'loss_weighted');
      dZ = op('Mul', [dZ, overClasses(weight, 'class_weight_spread')], 'dz_weighted');
    }
    return { losses, dLogits: dZ };
  },
  appendBatchGradient(builder, { target, loss: spec, classWeights }, p) {
    const { op, scalar, sumRows, asColumn } = lossTape(builder, 'float32');
    const sumOf = (value: string, name: string): string => asColumn(sumRows(value, name), `${name}_column`);
    if (!spec.focal) {
      const expected = classWeights ? op('Mul', [p, sumOf(target, 'mass')], 'expected') : p;
      return op('Sub', [expected, target], 'excess');
    }
    const rest = op('Max', [op('Sub', [scalar(1), p], 'rest_raw'), scalar(1e-7)], 'rest');
    const logP = op('Log', [op('Max', [p, scalar(1e-30)], 'p_safe')], 'log_p');
    const ratio = op('Div', [op('Mul', [p, logP], 'p_log_p'), rest], 'focal_ratio');
    const bracket = op('Sub', [scalar(1), op('Mul', [scalar(spec.focal), ratio], 'focal_slope')], 'bracket');
    const k = op('Mul', [op('Pow', [rest, scalar(spec.focal)], 'focal_power'), bracket], 'focal_factor');
    const mass = op('Mul', [target, k], 'focal_mass');
    return op('Sub', [op('Mul', [p, sumOf(mass, 'focal_sum')], 'expected'), mass], 'excess');
  },
  // On [batch, classes] the last axis means the same before and after opset 13 changed Softmax.
  appendOutputs: (builder, logits, rank) =>
    builder.op('Softmax', [logits], { name: 'head/softmax', attributes: { axis: rank - 1 } }),
  balance: balanceLabels,
  sumTargets: sumLabels,
  prior(totals, outputCount) {
    const total = totals.reduce((a, b) => a + b, 0);
    const logShares = totals.map((weight) => Math.log(Math.max(weight, 1e-3 * total) / total));
    const mean = logShares.reduce((a, b) => a + b, 0) / outputCount;
    const spread = totals.reduce((sum, weight) => sum + (weight / total) * (1 - weight / total), 0);
    // Where nearly all examples are of one class the spread is next to nothing, but a step must stay finite.
    const curvature = (total * Math.max(spread, 1e-3)) / outputCount;
    return {
      start: new Map([[biasName, logShares.map((share) => share - mean)]]),
      curvature: new Float64Array(outputCount).fill(curvature),
    };
  },
  ...measuredBy((targets) =>
    meterClasses(targets, ({ accuracy, macroF1, loss }) => ({ accuracy, macroF1, loss })),
  ),
};
