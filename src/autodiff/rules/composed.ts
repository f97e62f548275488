/** Fused operators: their gradient is that of the plain ones that they are written with (compositions/). */
import { composedOperators } from '../compositions/index.js';
import type { GradientRule } from '../gradient-rule.js';

export const composed: readonly GradientRule[] = composedOperators.map(
  ({ opType, domain, differentiable, composition }): GradientRule => ({
    opTypes: [opType],
    domain,
    differentiable,
    differentiableOutputs: 'all',
    backward: (at) => at.through(composition),
  }),
);
