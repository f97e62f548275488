/**
 * Classes in an order: the proportional odds model (McCullagh 1980). One score f and thresholds θ₁ < θ₂ < …:
 *
 *   logits z_j = f - θ_j, the log-odds of lying above class j      P(class c) = σ(z_(c-1)) - σ(z_c)
 *
 * with z_0 = ∞ and z_K = -∞. From σ(a) - σ(b) = σ(a) σ(-b) (1 - e^(b-a)), with the gaps g_j = z_j - z_(j+1) > 0:
 *
 *   -log P(c) = softplus(-z_(c-1)) + softplus(z_c) - log(1 - e^(-g_(c-1)))
 *
 * so that nothing cancels. With m the mass of each class:
 *
 *   dz_j = m_j σ(z_j) - m_(j+1) σ(-z_j) + r_(j-1) - r_j,      r_j = m_(j+1) / (e^(g_j) - 1)
 *
 * In training the thresholds are kept in order by what they are made of: the first one, then logarithms of the steps
 * to the next. The loss is convex in f and θ, so that it has one minimum in these too.
 */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { float32 } from '../tensor/tensor.js';
import { type LossTape, lossTape, type Precision } from './loss-tape.js';
import { measuredBy } from './measured-by.js';
import { meterClasses } from './meter-classes.js';
import { balanceLabels, massTable, sumLabels } from './targets.js';
import type { Task } from './task.js';

/** As trained: θ₁, log(θ₂ - θ₁), log(θ₃ - θ₂), … */
const steps = 'head/threshold_steps';
/** As kept: θ₁, θ₂, … */
const thresholds = 'head/thresholds';

export const ordered: Task = {
  kind: 'ordered',
  targetForm: 'label',
  figure: { name: 'accuracy', title: 'accuracy' },
  outputNames: { outputs: 'probabilities' },
  readout: (outputCount) => ({
    columns: 1,
    hasBias: false,
    onlyDifferencesCount: false,
    logits: outputCount - 1,
  }),
  ownParameters: (outputCount) => new Map([[steps, [outputCount - 1]]]),
  keptParameters: (outputCount) => new Map([[thresholds, [outputCount - 1]]]),
  finishOwn(parameters) {
    let level = 0;
    const kept = parameters
      .get(steps)!
      .map((value, j) => (level = j === 0 ? value : level + Math.exp(value)));
    return new Map([[thresholds, kept]]);
  },
  appendLogits(builder, scores, parameters, { outputCount, precision }) {
    const kept = parameters.get(thresholds);
    if (kept !== undefined) return builder.op('Sub', [scores, kept], { name: 'head/logits' });
    const count = outputCount - 1;
    const op = (opType: string, inputs: readonly string[], name: string, attributes = {}): string =>
      builder.op(opType, inputs, { name: `head/thresholds/${name}`, attributes });
    // [replicas, thresholds]; the sum up to each is a product with a triangle of ones.
    const rows = op('Reshape', [parameters.get(steps)!, builder.ints([-1, count])], 'rows');
    const part = (from: number, to: number, name: string): string =>
      op('Slice', [rows, builder.ints([from]), builder.ints([to]), builder.ints([1])], name);
    let levels = part(0, 1, 'first');
    if (count > 1) {
      const gaps = op('Exp', [part(1, count, 'logs')], 'gaps');
      levels = op('Concat', [levels, gaps], 'steps', { axis: 1 });
      levels = op('MatMul', [levels, triangle(builder, count, precision)], 'sum');
    }
    const score = op('Unsqueeze', [scores, builder.ints([2])], 'score');
    const logits = op('Sub', [score, levels], 'logits');
    return builder.op('Reshape', [logits, builder.ints([0, -1])], { name: 'head/logits' });
  },
  appendExactLoss(builder, { logits, target, outputCount, precision, loss, classWeights }) {
    const tape = lossTape(builder, precision);
    const { op, constant, columns, sumRows, toFloat64 } = tape;
    const masses = massTable(outputCount, loss.labelSmoothing, classWeights);
    const mass = op('MatMul', [target, constant('masses', [outputCount, outputCount], masses)], 'mass');
    const terms = appendTerms(tape, { z: logits, mass, outputCount });
    const softplus = tape.softplus64(logits, 'softplus');
    const softplusNegative = op('Sub', [softplus, toFloat64(logits, 'z64')], 'softplus_negative');
    let losses = op(
      'Add',
      [
        sumRows(op('Mul', [toFloat64(terms.upper, 'upper64'), softplus], 'loss_upper'), 'sum_upper'),
        sumRows(op('Mul', [toFloat64(terms.lower, 'lower64'), softplusNegative], 'loss_lower'), 'sum_lower'),
      ],
      'loss_sides',
    );
    if (terms.gap) {
      const one = lossTape(builder, 'float64').scalar(1);
      const shrunk = op('Exp', [op('Neg', [toFloat64(terms.gap, 'gap64')], 'gap_negative')], 'gap_exp');
      const log = op('Log', [op('Sub', [one, shrunk], 'gap_rest')], 'gap_log');
      const inner = toFloat64(columns(mass, 1, outputCount - 1, 'mass_inner64'), 'inner64');
      losses = op('Sub', [losses, sumRows(op('Mul', [inner, log], 'loss_gap'), 'sum_gap')], 'loss');
    }
    return { losses, dLogits: terms.dZ };
  },
  appendBatchGradient: (builder, { logits, target, outputCount }) =>
    appendTerms(lossTape(builder, 'float32'), { z: logits, mass: target, outputCount }).dZ,
  appendOutputs(builder, logits, _rank, outputCount) {
    // Differences of 1, σ(z_1), …, 0 as a product: exact, and of operators that every opset and provider has.
    const count = outputCount - 1;
    const differences = new Float32Array(count * outputCount);
    for (let j = 0; j < count; j++) {
      differences[j * outputCount + j] = -1;
      differences[j * outputCount + j + 1] = 1;
    }
    const table = builder.constant('head/differences', float32([count, outputCount], differences));
    const first = builder.constant(
      'head/first_class',
      float32([outputCount], [1, ...new Array<number>(count).fill(0)]),
    );
    const above = builder.op('Sigmoid', [logits], { name: 'head/above' });
    const product = builder.op('MatMul', [above, table], { name: 'head/between' });
    return builder.op('Add', [product, first], { name: 'head/class_probabilities' });
  },
  balance: balanceLabels,
  sumTargets: sumLabels,
  prior(totals, outputCount) {
    const total = totals.reduce((a, b) => a + b, 0);
    const start = new Float64Array(outputCount - 1);
    let below = 0;
    let before = 0;
    let spread = 0;
    for (let j = 0; j < outputCount - 1; j++) {
      below += Math.max(totals[j]!, 1e-3 * total);
      const share = Math.min(below / total, 1 - 1e-3 * (outputCount - 1 - j));
      const level = Math.log(share / (1 - share));
      start[j] = j === 0 ? level : Math.log(Math.max(level - before, 1e-3));
      before = level;
      spread = Math.max(spread, share * (1 - share));
    }
    return { start: new Map([[steps, start]]), curvature: Float64Array.of(total * Math.max(spread, 1e-3)) };
  },
  ...measuredBy((targets) =>
    meterClasses(targets, ({ accuracy, macroF1, meanSteps, loss }) => ({
      accuracy,
      macroF1,
      mae: meanSteps,
      loss,
    })),
  ),
};

interface OrderedTerms {
  /** [examples, thresholds] */
  readonly z: string;
  /** [examples, classes] */
  readonly mass: string;
  readonly outputCount: number;
}

function appendTerms(tape: LossTape, { z, mass, outputCount }: OrderedTerms) {
  const { op, columns, scalar } = tape;
  const count = outputCount - 1;
  const upper = columns(mass, 0, count, 'mass_upper');
  const lower = columns(mass, 1, outputCount, 'mass_lower');
  const above = op('Sigmoid', [z], 'above');
  const below = op('Sigmoid', [op('Neg', [z], 'z_negative')], 'below');
  const sides = op(
    'Sub',
    [op('Mul', [upper, above], 'dz_upper'), op('Mul', [lower, below], 'dz_lower')],
    'dz_sides',
  );
  if (count < 2) return { upper, lower, gap: undefined, dZ: sides };
  const gap = op('Sub', [columns(z, 0, count - 1, 'z_left'), columns(z, 1, count, 'z_right')], 'gap');
  const inner = columns(mass, 1, count, 'mass_inner');
  const grown = op('Sub', [op('Exp', [gap], 'gap_grown'), scalar(1)], 'gap_less_one');
  const pull = op('Div', [inner, grown], 'pull');
  const zero = op('Mul', [columns(z, 0, 1, 'z_first'), scalar(0)], 'zero');
  const [left, right] = [
    op('Concat', [zero, pull], 'pull_right', { axis: 1 }),
    op('Concat', [pull, zero], 'pull_left', { axis: 1 }),
  ];
  return { upper, lower, gap, dZ: op('Add', [sides, op('Sub', [left, right], 'pulls')], 'dz') };
}

/** [count, count] with ones where row ≤ column. */
function triangle(builder: GraphBuilder, count: number, precision: Precision): string {
  const ones = Array.from({ length: count ** 2 }, (_, i) => (Math.floor(i / count) <= i % count ? 1 : 0));
  return lossTape(builder, precision).constant('threshold_sums', [count, count], ones);
}
