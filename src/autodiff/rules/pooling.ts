/**
 * Pooling.
 *
 *   GlobalAveragePool   dX = dY / count, repeated
 *   AveragePool         dX = Mᵀ dY along each axis; see separable.ts
 *   GlobalMaxPool       dX = dY where X is the maximum, in equal shares among equals
 *   MaxPool             dX[indices] += dY, with the indices that the operator itself can return
 *
 * Spatial sizes are taken from the given shapes, but for the global ones; the batch is left free.
 */
import { GraftError } from '../../errors.js';
import { intAttribute, intsAttribute, stringAttribute } from '../../onnx/attributes.js';
import type { AttributeInput } from '../../onnx/attributes.js';
import { dtypeInfo } from '../../tensor/dtype.js';
import { sizeOf } from '../../tensor/shape.js';
import { equalsBound, expandLike, meanShare, reshape, reshapeLike, transpose } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum } from '../unbroadcast.js';
import { int64 } from '../../tensor/tensor.js';
import { scatter } from './convolution.js';
import { addsByIndex } from './index-trick.js';
import { applyTransposed, identity } from './separable.js';
import { resolveWindow, type Window } from './window.js';

export const pooling: readonly GradientRule[] = [
  {
    opTypes: ['GlobalAveragePool'],
    differentiable: [0],
    backward(at) {
      const X = at.x[0]!;
      return new Map([[0, expandLike(at, at.op('Mul', [at.dY[0]!, meanShare(at)]), X)]]);
    },
  },
  {
    opTypes: ['GlobalMaxPool'],
    differentiable: [0],
    backward(at) {
      const X = at.x[0]!;
      const axes = at.shapeOf(X).map((_, axis) => axis).slice(2); // prettier-ignore
      const mask = equalsBound(at, X, at.y[0]!);
      const isLargest = at.op('Cast', [mask], { to: dtypeInfo(at.dtypeOf(X)).code });
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
        const matrix = transpose(at, reshape(at, pooled, [length, shape[axis]!]), [1, 0]);
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
      return new Map([[0, addsByIndex(at) ? scatterByIndex(at) : scatterByWindow(at)]]);
    },
  },
];

function scatterByIndex(at: RuleContext): string {
  const shape = at.op('Shape', [at.x[0]!]);
  const zeros = reshape(at, at.op('Expand', [at.scalar(0), shape]), [-1]);
  const indices = reshape(at, at.forwardOutput(1), [-1]);
  const dY = reshape(at, at.dY[0]!, [-1]);
  const flat = at.op('ScatterElements', [zeros, indices, dY], { axis: 0, reduction: 'add' });
  return at.op('Reshape', [flat, shape]);
}

/**
 * Without a scatter that adds: dY goes to that position of its window which the index points to, zeros to the others,
 * and the windows are laid over one another as in the gradient of a convolution.
 */
function scatterByWindow(at: RuleContext): string {
  if (at.builder.opset < 8) {
    throw new GraftError(
      'NO_GRADIENT_RULE',
      `MaxPool "${at.node.name}" is of opset ${at.builder.opset}; its indices, which the gradient needs, came with opset 8.`,
    );
  }
  const size = at.shapeOf(at.x[0]!).slice(2);
  const outputs = at.shapeOf(at.y[0]!).slice(2);
  const window = resolveWindow(at.node, size);
  const taps = sizeOf(window.kernel);
  const positions = at.builder.constant(
    'const/window/positions',
    int64([1, taps, sizeOf(outputs)], windowPositions(window, size, outputs)),
  );
  // Indices count through the whole batch.
  const image = at.builder.ints([sizeOf(size)]);
  const indices = reshape(at, at.forwardOutput(1), [-1, 1, sizeOf(outputs)]);
  const whole = at.op('Mul', [at.op('Div', [indices, image]), image]);
  const isChosen = at.op('Equal', [at.op('Sub', [indices, whole]), positions]);
  const dY = reshape(at, at.dY[0]!, [-1, 1, sizeOf(outputs)]);
  const chosen = at.op('Mul', [at.op('Cast', [isChosen], { to: 1 }), dY]);
  const eye = reshape(at, identity(at, taps, []), [taps, 1, ...window.kernel]);
  const windows = { value: reshape(at, chosen, [-1, taps, ...outputs]), channels: taps, size: outputs };
  // In ceil mode the last window may end beyond the padding.
  const rank = size.length;
  const pads = window.pads.map((pad, i) => {
    if (i < rank) return pad;
    const axis = i - rank;
    const end =
      (outputs[axis]! - 1) * window.strides[axis]! + window.dilations[axis]! * (window.kernel[axis]! - 1) + 1;
    return Math.max(pad, end - size[axis]! - window.pads[axis]!);
  });
  const dX = scatter(at, windows, eye, { value: '', channels: 1, size }, { ...window, pads }, 1);
  return reshapeLike(at, dX, at.x[0]!);
}

/** Flat position in the image that each [tap, output] reads, −1 for padding. */
function windowPositions(
  { kernel, strides, dilations, pads }: Window,
  size: readonly number[],
  outputs: readonly number[],
): number[] {
  const positions: number[] = [];
  for (const tap of indicesOf(kernel)) {
    for (const output of indicesOf(outputs)) {
      let flat = 0;
      for (const [axis, length] of size.entries()) {
        const place = output[axis]! * strides[axis]! + tap[axis]! * dilations[axis]! - pads[axis]!;
        flat = place < 0 || place >= length || flat < 0 ? -1 : flat * length + place;
      }
      positions.push(flat);
    }
  }
  return positions;
}

/** All index tuples of a shape in row-major order. */
function indicesOf(dims: readonly number[]): number[][] {
  return dims.reduce<number[][]>(
    (tuples, size) => tuples.flatMap((tuple) => Array.from({ length: size }, (_, i) => [...tuple, i])),
    [[]],
  );
}

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
