/**
 * One or several numbers an example. With e = z - y:
 *
 *   loss = Σ ½ e²                                   dz = e
 *   Huber: ½ e² up to |e| = δ, then δ (|e| - ½ δ)    dz = e clipped to ±δ
 *
 * The half makes  Σ loss + λ/2 ‖W‖²  the ridge regression of scikit-learn with alpha = λ.
 */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { openNumberMeter } from '../metrics/regression.js';
import { lossTape, type Precision } from './loss-tape.js';
import { measuredBy } from './measured-by.js';
import { plainScores } from './plain-scores.js';
import { biasName, type LossInput, type Task } from './task.js';

export const regression: Task = {
  kind: 'regression',
  targetForm: 'values',
  figure: { name: 'r2', title: 'R²' },
  outputNames: { outputs: 'values' },
  ...plainScores,
  appendExactLoss(builder, input) {
    const { op, toFloat64, sumRows } = lossTape(builder, input.precision);
    const { error, dLogits } = appendErrors(builder, input, input.logits, input.precision);
    // ½e² and δ|e| - ½δ² in one: with c = e clipped to ±δ it is c (e - ½ c).
    const clipped = toFloat64(dLogits, 'clipped64');
    const wide = toFloat64(error, 'error64');
    const half = op('Mul', [clipped, lossTape(builder, 'float64').scalar(0.5)], 'half');
    const each = op('Mul', [clipped, op('Sub', [wide, half], 'rest')], 'loss_targets');
    return { losses: sumRows(each, 'loss'), dLogits };
  },
  appendBatchGradient: (builder, input, outputs) => appendErrors(builder, input, outputs, 'float32').dLogits,
  appendOutputs: (_builder, logits) => logits,
  /** The number of examples, then the sum of each target. */
  sumTargets({ targets, rows, classes }, _classWeights, include = () => true) {
    const columns = classes.length;
    const totals = new Float64Array(1 + columns);
    for (let row = 0; row < rows; row++) {
      if (!include(row)) continue;
      totals[0]!++;
      for (let c = 0; c < columns; c++) totals[1 + c]! += targets![row * columns + c]!;
    }
    return totals;
  },
  prior: (totals, outputCount) => ({
    start: new Map([[biasName, totals.slice(1).map((sum) => sum / totals[0]!)]]),
    curvature: new Float64Array(outputCount).fill(totals[0]!),
  }),
  ...measuredBy(({ targets, classes }, { huber = Number.POSITIVE_INFINITY } = {}) => {
    const columns = classes.length;
    const meters = classes.map(openNumberMeter);
    let loss = 0;
    let examples = 0;
    return {
      add(outputs, rows) {
        examples += rows.length;
        for (let row = 0; row < rows.length; row++) {
          for (let c = 0; c < columns; c++) {
            const [predicted, wanted] = [outputs[row * columns + c]!, targets![rows[row]! * columns + c]!];
            meters[c]!.add(predicted, wanted);
            const error = predicted - wanted;
            const clipped = Math.min(huber, Math.max(-huber, error));
            loss += clipped * (error - 0.5 * clipped);
          }
        }
      },
      score() {
        const each = meters.map((meter) => meter.metrics());
        const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / columns;
        const r2 = each.flatMap((one) => one.r2 ?? []);
        return {
          loss: loss / examples,
          ...(r2.length === columns && { r2: mean(r2) }),
          mae: mean(each.map(({ mae }) => mae)),
          rmse: Math.sqrt(mean(each.map(({ rmse }) => rmse ** 2))),
        };
      },
    };
  }),
};

/** e, and e clipped where the loss is Huber's; targets that were divided by s have δ / s. */
function appendErrors(
  builder: GraphBuilder,
  { target, outputCount, loss: { huber }, targetScale }: LossInput,
  z: string,
  precision: Precision,
) {
  const { op, constant } = lossTape(builder, precision);
  const error = op('Sub', [z, target], 'error');
  if (!huber) return { error, dLogits: error };
  const bounds = Array.from({ length: outputCount }, (_, c) => huber / (targetScale?.[c] ?? 1));
  const upper = constant('huber', [outputCount], bounds);
  const lower = constant(
    'huber_negative',
    [outputCount],
    bounds.map((bound) => -bound),
  );
  return { error, dLogits: op('Max', [op('Min', [error, upper], 'below'), lower], 'clipped') };
}
