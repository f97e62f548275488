/**
 * Matrix products of two-axis operands: Y = A B gives dA = dY Bᵀ and dB = Aᵀ dY.
 */
import { GraftError } from '../../errors.js';
import { formatShape } from '../../tensor/shape.js';
import type { GradientRule } from '../gradient-rule.js';

export const linear: readonly GradientRule[] = [
  {
    opTypes: ['MatMul'],
    differentiable: [0, 1],
    backward(at) {
      const [a, b] = at.x as [string, string];
      for (const operand of [a, b]) {
        if (at.shapeOf(operand).length !== 2) {
          throw new GraftError(
            'NO_GRADIENT_RULE',
            `MatMul "${at.node.name}" has the operand "${operand}" of shape ${formatShape(at.shapeOf(operand))}; only two axes are supported.`,
          );
        }
      }
      const dY = at.dY[0]!;
      const gradients = new Map<number, string>();
      // Gemm reads a transposed operand in place, where MatMul would need it transposed first.
      if (at.needs(0)) gradients.set(0, at.op('Gemm', [dY, b], { transB: 1 }));
      if (at.needs(1)) gradients.set(1, at.op('Gemm', [a, dY], { transA: 1 }));
      return gradients;
    },
  },
];
