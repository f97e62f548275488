/**
 * Sums and log-softmax.
 *
 *   y = Σ x over axes     dx = dy, repeated along the axes
 *   y = log softmax(x)    dx = dy - exp(y) · Σ dy over the axis
 */
import { intAttribute, intsAttribute } from '../../onnx/attributes.js';
import { toTensor } from '../../onnx/initializer.js';
import { positiveAxis } from '../../tensor/shape.js';
import { unsqueeze } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum } from '../unbroadcast.js';

export const reduction: readonly GradientRule[] = [
  {
    opTypes: ['ReduceSum'],
    differentiable: [0],
    backward(at) {
      const shape = at.shapeOf(at.x[0]!);
      const reduced = at.shapeOf(at.y[0]!);
      // With the summed axes back as ones, Expand repeats along them.
      const kept = intAttribute(at.node, 'keepdims', 1) === 1 ? reduced : undefined;
      let dY = at.dY[0]!;
      if (!kept) {
        if (reduced.length !== 0) dY = unsqueeze(at, dY, summedAxes(at, shape.length));
      }
      return new Map([[0, at.op('Expand', [dY, at.op('Shape', [at.x[0]!])])]]);
    },
  },
  {
    opTypes: ['LogSoftmax'],
    differentiable: [0],
    backward(at) {
      const rank = at.shapeOf(at.x[0]!).length;
      const axis = positiveAxis(intAttribute(at.node, 'axis', at.builder.opset < 13 ? 1 : -1), rank);
      const total = reduceSum(at, at.dY[0]!, [axis], 1);
      const share = at.op('Mul', [at.op('Exp', [at.y[0]!]), total]);
      return new Map([[0, at.op('Sub', [at.dY[0]!, share])]]);
    },
  },
];

function summedAxes(at: RuleContext, rank: number): number[] {
  const attribute = intsAttribute(at.node, 'axes');
  const constant = at.node.inputs[1] ? at.builder.initializers.get(at.node.inputs[1]) : undefined;
  const axes =
    attribute ?? (constant ? Array.from(toTensor(constant).data, Number) : [...Array(rank).keys()]);
  return axes.map((axis) => positiveAxis(axis, rank));
}
