/**
 * Pooling.
 *
 *   GlobalAveragePool   dX = dY / count, repeated
 *   AveragePool         dX = Mᵀ dY along each axis; see separable.ts
 *   GlobalMaxPool       dX = dY where X is the maximum, in equal shares among equals
 *   MaxPool             dX[indices] += dY, with the indices that the operator itself can return
 *
 * Spatial sizes are taken from the given shapes; the batch is left free.
 */
import { GraftError } from '../../errors.js';
import { intAttribute, intsAttribute, stringAttribute } from '../../onnx/attributes.js';
import type { AttributeInput } from '../../onnx/attributes.js';
import { sizeOf } from '../../tensor/shape.js';
import { reshape } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum } from '../unbroadcast.js';
import { applyTransposed, identity } from './separable.js';

export const pooling: readonly GradientRule[] = [
  {
    opTypes: ['GlobalAveragePool'],
    differentiable: [0],
    backward(at) {
      const X = at.x[0]!;
      const share = at.op('Mul', [at.dY[0]!, at.builder.scalar(1 / sizeOf(at.shapeOf(X).slice(2)))]);
      return new Map([[0, at.op('Expand', [share, at.op('Shape', [X])])]]);
    },
  },
  {
    opTypes: ['GlobalMaxPool'],
    differentiable: [0],
    backward(at) {
      const X = at.x[0]!;
      const axes = at.shapeOf(X).map((_, axis) => axis).slice(2); // prettier-ignore
      // Equal compares floats only from opset 11 on.
      const [zero, one] = [at.builder.scalar(0), at.builder.scalar(1)];
      const isLargest = at.op('Where', [at.op('Less', [X, at.y[0]!]), zero, one]);
      const share = at.op('Div', [at.dY[0]!, reduceSum(at, isLargest, axes, 1)]);
      return new Map([[0, at.op('Mul', [isLargest, share])]]);
    },
  },
  {
    opTypes: ['AveragePool'],
    differentiable: [0],
    backward(at) {
      const size = at.shapeOf(at.x[0]!).slice(2);
      let shape = at.shapeOf(at.y[0]!);
      let dX = at.dY[0]!;
      for (const [i, length] of size.entries()) {
        const axis = i + 2;
        if (isUntouched(at, i, size.length)) continue;
        // One example, a channel for each row of the identity: pooling gives the transposed matrix.
        const pooled = at.op('AveragePool', [identity(at, length, [1])], oneAxis(at, i, size.length));
        const matrix = reshape(at, pooled, [length, shape[axis]!]);
        dX = applyTransposed(at, dX, shape, axis, matrix, length);
        shape = shape.with(axis, length);
      }
      return new Map([[0, dX]]);
    },
  },
  {
    opTypes: ['MaxPool'],
    differentiable: [0],
    backward(at) {
      if (intAttribute(at.node, 'storage_order', 0) !== 0) {
        throw new GraftError(
          'NO_GRADIENT_RULE',
          `MaxPool "${at.node.name}" counts its indices by column (storage_order 1), for which there is no gradient rule.`,
        );
      }
      const X = at.x[0]!;
      const shape = at.op('Shape', [X]);
      const zeros = reshape(at, at.op('Expand', [at.builder.scalar(0), shape]), [-1]);
      const indices = reshape(at, at.forwardOutput(1), [-1]);
      const flat = at.op('ScatterElements', [zeros, indices, reshape(at, at.dY[0]!, [-1])], {
        axis: 0,
        reduction: 'add',
      });
      return new Map([[0, at.op('Reshape', [flat, shape])]]);
    },
  },
];

/** True for an axis with a window of one position that moves by one. */
function isUntouched(at: RuleContext, i: number, rank: number): boolean {
  const { node } = at;
  const pads = intsAttribute(node, 'pads') ?? [];
  return (
    intsAttribute(node, 'kernel_shape')?.[i] === 1 &&
    (intsAttribute(node, 'strides')?.[i] ?? 1) === 1 &&
    !pads[i] &&
    !pads[i + rank]
  );
}

/** The node's attributes for one of its axes. */
function oneAxis({ node }: RuleContext, i: number, rank: number): Record<string, AttributeInput> {
  const attributes: Record<string, AttributeInput> = {
    kernel_shape: [intsAttribute(node, 'kernel_shape')![i]!],
  };
  for (const name of ['strides', 'dilations']) {
    const values = intsAttribute(node, name);
    if (values) attributes[name] = [values[i]!];
  }
  const pads = intsAttribute(node, 'pads');
  if (pads) attributes['pads'] = [pads[i]!, pads[i + rank]!];
  for (const name of ['ceil_mode', 'count_include_pad']) {
    if (node.attributes.has(name)) attributes[name] = intAttribute(node, name, 0);
  }
  if (node.attributes.has('auto_pad')) attributes['auto_pad'] = stringAttribute(node, 'auto_pad', 'NOTSET');
  return attributes;
}
