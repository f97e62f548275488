/**
 * Normalisation by statistics of the example itself (or, in training mode, of the batch). Over the axes of the mean:
 *
 *   x̂ = (x − mean) · r          r = 1 / √(var + ε)
 *   y = x̂ · scale + bias
 *   dx̂ = dy · scale             dx = r · (dx̂ − mean(dx̂) − x̂ · mean(dx̂ · x̂))
 *   dscale = Σ dy · x̂           dbias = Σ dy
 *
 * Without centring (RMS) the mean(dx̂) falls away. LayerNormalization hands out its mean and r; where an operator
 * does not, they are computed again. Gradients that arrive at these (second derivatives) add, with n places of the mean,
 *
 *   dx += (dmean − dr · r² · x̂) / n
 */
import { floatAttribute, intAttribute, intsAttribute } from '../../onnx/attributes.js';
import { positiveAxis, sizeOf } from '../../tensor/shape.js';
import { reduceMean, reshape, reshapeLike, zerosLike } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum, unbroadcast } from '../unbroadcast.js';

interface Statistics {
  /** Absent for RMS normalisation. */
  readonly mean?: string;
  /** r = 1 / √(var + ε). */
  readonly inverse: string;
}

/** x̂ */
export function standardize(at: RuleContext, x: string, { mean, inverse }: Statistics): string {
  return at.op('Mul', [mean === undefined ? x : at.op('Sub', [x, mean]), inverse]);
}

/** The mean and r of `x` over `axes`, as ones along them. */
export function statisticsOf(
  at: RuleContext,
  x: string,
  axes: readonly number[],
  { centre = true, epsilon = floatAttribute(at.node, 'epsilon', 1e-5) } = {},
): Statistics {
  const mean = centre ? reduceMean(at, x, axes) : undefined;
  const centred = mean === undefined ? x : at.op('Sub', [x, mean]);
  const variance = reduceMean(at, at.op('Mul', [centred, centred]), axes);
  const inverse = at.op('Reciprocal', [at.op('Sqrt', [at.op('Add', [variance, at.scalar(epsilon)])])]);
  return mean === undefined ? { inverse } : { mean, inverse };
}

/** dx from dx̂. */
export function standardizedGradient(
  at: RuleContext,
  dStandard: string,
  standard: string,
  { mean, inverse }: Statistics,
  axes: readonly number[],
): string {
  const along = at.op('Mul', [standard, reduceMean(at, at.op('Mul', [dStandard, standard]), axes)]);
  const centred = mean === undefined ? dStandard : at.op('Sub', [dStandard, reduceMean(at, dStandard, axes)]);
  return at.op('Mul', [at.op('Sub', [centred, along]), inverse]);
}

/** A scale or bias [C] beside data [N, C, …]. */
function perChannel(at: RuleContext, value: string, rank: number): string {
  return reshape(at, value, [-1, ...Array<number>(rank - 2).fill(1)]);
}

/** Σ over all axes but the channels'. */
function sumPerChannel(at: RuleContext, gradient: string, rank: number): string {
  return reduceSum(at, gradient, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2)], 0);
}

const spatialAxes = (rank: number): number[] => Array.from({ length: rank - 2 }, (_, i) => i + 2);

/** LayerNormalization and RMSNormalization: over `axis` and all axes after it. */
function layerNormalization(opTypes: readonly string[], centre: boolean): GradientRule {
  return {
    opTypes,
    differentiable: [0, 1, 2],
    differentiableOutputs: [0, 1, 2],
    backward(at) {
      const [x, scale] = at.x as [string, string];
      const shape = at.shapeOf(x);
      const first = positiveAxis(intAttribute(at.node, 'axis', -1), shape.length);
      const axes = shape.map((_, axis) => axis).slice(first);
      const [given, dMean, dInverse] = at.dY;
      const dY = given ?? zerosLike(at, x);
      const gradients = new Map<number, string>();
      if (at.needs(2)) gradients.set(2, unbroadcast(at, dY, at.x[2]!));
      if (!at.needs(0) && !at.needs(1)) return gradients;
      // They are float32 whatever the data are.
      const statistics =
        centre && at.dtypeOf(x) === 'float32'
          ? { mean: at.forwardOutput(1), inverse: at.forwardOutput(2) }
          : statisticsOf(at, x, axes, { centre });
      const standard = standardize(at, x, statistics);
      if (at.needs(1)) gradients.set(1, unbroadcast(at, at.op('Mul', [dY, standard]), scale));
      if (at.needs(0)) {
        const dStandard = at.op('Mul', [dY, scale]);
        let dX = standardizedGradient(at, dStandard, standard, statistics, axes);
        const share = at.scalar(1 / sizeOf(shape.slice(first)));
        if (dMean !== undefined) dX = at.op('Add', [dX, at.op('Mul', [dMean, share])]);
        if (dInverse !== undefined) {
          const { inverse } = statistics;
          const slope = at.op('Mul', [at.op('Mul', [inverse, inverse]), at.op('Mul', [dInverse, share])]);
          dX = at.op('Sub', [dX, at.op('Mul', [standard, slope])]);
        }
        gradients.set(0, dX);
      }
      return gradients;
    },
  };
}

export const normalization: readonly GradientRule[] = [
  layerNormalization(['LayerNormalization'], true),
  layerNormalization(['RMSNormalization', 'SimplifiedLayerNormalization'], false),
  {
    opTypes: ['InstanceNormalization'],
    differentiable: [0, 1, 2],
    backward(at) {
      const [x, scale] = at.x as [string, string];
      const rank = at.shapeOf(x).length;
      const axes = spatialAxes(rank);
      const dY = at.dY[0]!;
      const statistics = statisticsOf(at, x, axes);
      const standard = standardize(at, x, statistics);
      const gradients = new Map<number, string>();
      if (at.needs(0)) {
        const dStandard = at.op('Mul', [dY, perChannel(at, scale, rank)]);
        gradients.set(0, standardizedGradient(at, dStandard, standard, statistics, axes));
      }
      if (at.needs(1)) gradients.set(1, sumPerChannel(at, at.op('Mul', [dY, standard]), rank));
      if (at.needs(2)) gradients.set(2, sumPerChannel(at, dY, rank));
      return gradients;
    },
  },
  {
    opTypes: ['GroupNormalization'],
    differentiable: [0, 1, 2],
    backward(at) {
      const [x, scale] = at.x as [string, string];
      const channels = at.shapeOf(x)[1]!;
      const groups = intAttribute(at.node, 'num_groups', 1);
      // Seen as [N, groups, channels of a group, pixels]: scale and bias are one a channel, or one a group until opset 20.
      const split = (value: string): string => reshape(at, value, [0, groups, channels / groups, -1]);
      const isPerGroup = at.shapeOf(scale)[0] !== channels || groups === channels;
      const parameterShape = [groups, isPerGroup ? 1 : channels / groups, 1];
      const sum = (gradient: string): string =>
        reshape(at, reduceSum(at, gradient, isPerGroup ? [0, 2, 3] : [0, 3], 0), [-1]);
      const statistics = statisticsOf(at, split(x), [2, 3]);
      const standard = standardize(at, split(x), statistics);
      const dY = split(at.dY[0]!);
      const gradients = new Map<number, string>();
      if (at.needs(0)) {
        const dStandard = at.op('Mul', [dY, reshape(at, scale, parameterShape)]);
        const dX = standardizedGradient(at, dStandard, standard, statistics, [2, 3]);
        gradients.set(0, reshapeLike(at, dX, x));
      }
      if (at.needs(1)) gradients.set(1, sum(at.op('Mul', [dY, standard])));
      if (at.needs(2)) gradients.set(2, sum(dY));
      return gradients;
    },
  },
  {
    opTypes: ['MeanVarianceNormalization'],
    differentiable: [0],
    backward(at) {
      const x = at.x[0]!;
      const rank = at.shapeOf(x).length;
      const axes = (intsAttribute(at.node, 'axes') ?? [0, 2, 3]).map((axis) => positiveAxis(axis, rank));
      // The operator adds its ε to the deviation; its square under the root differs by less than float32 shows.
      const statistics = statisticsOf(at, x, axes, { epsilon: 1e-18 });
      const standard = standardize(at, x, statistics);
      return new Map([[0, standardizedGradient(at, at.dY[0]!, standard, statistics, axes)]]);
    },
  },
];
