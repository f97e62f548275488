/**
 * Operators that only move values: the gradient moves back the same way.
 *
 *   reshapes           dx = dy in the shape of x         concat ↔ split
 *   transpose          the inverse permutation           expand          sum over what was repeated
 *   tile               the same, with the repeats split off as axes of their own
 *   pad with constant  pad by the negated amounts; what lies around it is summed for the constant
 *   cast               cast back; stops at integers
 *   cumulative sum     from the other end                depth ↔ space
 *   reversed sequences   reversed again                  compress        by index (index-trick.ts)
 *
 * Sizes are those of the run, not of the probe, wherever the operator set allows it.
 */
import { intAttribute, intsAttribute, stringAttribute } from '../../onnx/attributes.js';
import { GraftError } from '../../errors.js';
import type { Node } from '../../onnx/ir.js';
import { dtypeFromCode, dtypeInfo, isFloat } from '../../tensor/dtype.js';
import { positiveAxis } from '../../tensor/shape.js';
import { keepWhere, reshape, reshapeLike, transpose, zerosLike } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum, unbroadcast } from '../unbroadcast.js';
import { moveBackByIndex } from './index-trick.js';

function moving(opTypes: readonly string[], backward: (at: RuleContext, dY: string) => string): GradientRule {
  return {
    opTypes,
    differentiable: [0],
    backward: (at) => new Map([[0, backward(at, at.dY[0]!)]]),
  };
}

/** The size of each value along an axis, as a 1-D int64 value. */
function sizesAlong(at: RuleContext, values: readonly string[], axis: number): string {
  if (values.every((value) => at.constantOf(value) !== undefined))
    return at.builder.ints(values.map((value) => at.shapeOf(value)[axis]!));
  const sizes = values.map((value) =>
    at.op('Gather', [at.shape(value), at.builder.ints([axis])], { axis: 0 }),
  );
  return at.op('Concat', sizes, { axis: 0 });
}

/** dY cut into pieces of the inputs' sizes along an axis, where Split takes none that are computed. */
function slicesAlong(at: RuleContext, axis: number): string[] {
  let start = at.builder.ints([0]);
  return at.x.map((value) => {
    const end = at.op('Add', [start, sizesAlong(at, [value], axis)]);
    const piece = at.op('Slice', [at.dY[0]!, start, end, at.builder.ints([axis])]);
    start = end;
    return piece;
  });
}

const concat: GradientRule = {
  opTypes: ['Concat'],
  differentiable: 'all',
  backward(at) {
    const rank = at.shapeOf(at.x[0]!).length;
    const axis = positiveAxis(intAttribute(at.node, 'axis', 1), rank);
    const count = at.x.length;
    if (count === 1) return new Map([[0, at.dY[0]!]]);
    // Batches and sequences may have another size in the run; images, of four axes, keep theirs.
    const isFree = axis === 0 || rank < 4;
    if (at.opset >= 10 && at.opset < 13 && isFree) return new Map(slicesAlong(at, axis).entries());
    const parts =
      at.opset < 13
        ? at.ops('Split', [at.dY[0]!], count, { axis, split: at.x.map((value) => at.shapeOf(value)[axis]!) })
        : at.ops('Split', [at.dY[0]!, sizesAlong(at, at.x, axis)], count, { axis });
    return new Map(parts.map((part, i) => [i, part]));
  },
};

const splitParts = moving(['Split'], (at) => {
  const rank = at.shapeOf(at.x[0]!).length;
  const axis = positiveAxis(intAttribute(at.node, 'axis', 0), rank);
  const parts = at.y.map((part, i) => at.dY[i] ?? zerosLike(at, part));
  return at.op('Concat', parts, { axis });
});

const split: GradientRule = { ...splitParts, differentiableOutputs: 'all' };

const tile = moving(['Tile'], (at, dY) => {
  const rank = at.shapeOf(at.x[0]!).length;
  if (rank === 0) return dY;
  const column = at.builder.ints([-1, 1]);
  const pairs = [at.x[1]!, at.shape(at.x[0]!)].map((sizes) => at.op('Reshape', [sizes, column]));
  const shape = at.op('Reshape', [at.op('Concat', pairs, { axis: 1 }), at.builder.ints([-1])]);
  const axes = Array.from({ length: rank }, (_, axis) => 2 * axis);
  return reduceSum(at, at.op('Reshape', [dY, shape]), axes, 0);
});

const pad: GradientRule = {
  opTypes: ['Pad'],
  differentiable: [0, 2],
  backward(at) {
    const dY = at.dY[0]!;
    const isConstant = stringAttribute(at.node, 'mode', 'constant') === 'constant';
    if (at.opset < 11) {
      const pads = (intsAttribute(at.node, 'pads') ?? []).map((amount) => -amount);
      return new Map([[0, isConstant ? at.op('Pad', [dY], { pads }) : moveBackByIndex(at, dY)]]);
    }
    const [, pads, constant, axes] = at.x as [string, string, string?, string?];
    const padBy = (value: string, amounts: string): string =>
      at.op('Pad', axes ? [value, amounts, '', axes] : [value, amounts]);
    // The constant that another mode does not read is of the type of the values, and positions are integers.
    const dX = isConstant
      ? padBy(dY, at.op('Neg', [pads]))
      : moveBackByIndex(at, dY, { others: axes ? [pads, '', axes] : [pads] });
    if (!at.needs(2)) return new Map([[0, dX]]);
    const around = at.op('Sub', [dY, padBy(dX, pads)]);
    const axesOfY = at.shapeOf(at.y[0]!).map((_, axis) => axis);
    const total = isConstant ? reduceSum(at, around, axesOfY, 0) : at.scalar(0);
    return new Map([[0, dX], [2, reshapeLike(at, total, constant!)]]); // prettier-ignore
  },
};

const dropout = moving(['Dropout'], (at, dY) => {
  const [, ratio, training] = at.x;
  const isTraining = at.constantOf(training);
  if (!training || (isTraining && Number(isTraining.data[0]) === 0)) return dY;
  const kept = keepWhere(at, at.forwardOutput(1), dY);
  const share = (name: string): string =>
    at.op('Sub', [at.scalar(1), at.op('Cast', [name], { to: dtypeInfo(at.dtypeOf(at.x[0]!)).code })]);
  const scaled = ratio ? at.op('Div', [kept, share(ratio)]) : at.op('Mul', [kept, at.scalar(2)]);
  // Whether it trains is known only in the run, where training_mode is computed or fed.
  return isTraining ? scaled : at.op('Where', [training, scaled, dY]);
});

function castTarget(node: Node): readonly number[] {
  const target = dtypeFromCode(intAttribute(node, 'to', 0))?.dtype;
  return target && isFloat(target) ? [0] : [];
}

/** SpaceToDepth has the channels of a place [b·b, C]; column-row-depth order has them [C, b·b]. */
const depthToSpace = moving(['DepthToSpace'], (at, dY) => {
  const blocksize = intAttribute(at.node, 'blocksize', 1);
  const moved = at.op('SpaceToDepth', [dY], { blocksize });
  if (stringAttribute(at.node, 'mode', 'DCR') !== 'CRD') return moved;
  const apart = reshape(at, moved, [0, blocksize ** 2, at.shapeOf(at.y[0]!)[1]!, -1]);
  return reshapeLike(at, transpose(at, apart, [0, 2, 1, 3]), at.x[0]!);
});

export const movement: readonly GradientRule[] = [
  concat,
  split,
  tile,
  pad,
  dropout,
  depthToSpace,
  moving(['Identity'], (_, dY) => dY),
  moving(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'], (at, dY) => reshapeLike(at, dY, at.x[0]!)),
  moving(['Transpose'], (at, dY) => {
    const rank = at.shapeOf(at.x[0]!).length;
    const perm = intsAttribute(at.node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    return transpose(at, dY, inverse);
  }),
  moving(['Expand'], (at, dY) => unbroadcast(at, dY, at.x[0]!)),
  moving(['SpaceToDepth'], (at, dY) =>
    at.op('DepthToSpace', [dY], { blocksize: intAttribute(at.node, 'blocksize', 1) }),
  ),
  moving(['CumSum'], (at, dY) =>
    at.op('CumSum', [dY, at.x[1]!], {
      exclusive: intAttribute(at.node, 'exclusive', 0),
      reverse: 1 - intAttribute(at.node, 'reverse', 0),
    }),
  ),
  moving(['Trilu'], (at, dY) =>
    at.op('Trilu', at.x[1] ? [dY, at.x[1]] : [dY], { upper: intAttribute(at.node, 'upper', 1) }),
  ),
  {
    opTypes: ['Cast'],
    differentiable: castTarget,
    backward: (at) =>
      new Map([[0, at.op('Cast', [at.dY[0]!], { to: dtypeInfo(at.dtypeOf(at.x[0]!)).code })]]),
  },
  moving(['ReverseSequence'], (at, dY) =>
    at.op('ReverseSequence', [dY, at.x[1]!], {
      batch_axis: intAttribute(at.node, 'batch_axis', 1),
      time_axis: intAttribute(at.node, 'time_axis', 0),
    }),
  ),
  moving(['Compress'], (at, dY) => moveBackByIndex(at, dY, { isOneToOne: true })),
  moving(['CastLike'], (at, dY) => {
    const target = at.dtypeOf(at.y[0]!);
    if (isFloat(target)) return at.op('Cast', [dY], { to: dtypeInfo(at.dtypeOf(at.x[0]!)).code });
    throw new GraftError(
      'NO_GRADIENT_RULE',
      `CastLike "${at.node.name || at.y[0]}" rounds to ${target}, for which there is no gradient rule.`,
    );
  }),
];
