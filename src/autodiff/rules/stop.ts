/**
 * Operators behind which no gradient goes on: what they compute is data (a shape, an index, a comparison, a random
 * number) or is constant between its jumps.
 */
import type { GradientRule } from '../gradient-rule.js';

const stopping = [
  ...['Shape', 'Size', 'Constant', 'ConstantOfShape', 'Range', 'EyeLike', 'OneHot', 'NonZero', 'Unique'],
  ...[
    'Equal',
    'Greater',
    'GreaterOrEqual',
    'Less',
    'LessOrEqual',
    'Not',
    'And',
    'Or',
    'Xor',
    'IsNaN',
    'IsInf',
  ],
  ...['BitShift', 'BitwiseAnd', 'BitwiseNot', 'BitwiseOr', 'BitwiseXor'],
  ...['ArgMax', 'ArgMin', 'Hardmax', 'Floor', 'Ceil', 'Round', 'Sign', 'NonMaxSuppression'],
  ...['RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike', 'Multinomial', 'Bernoulli'],
];

export const stops: readonly GradientRule[] = [
  { opTypes: stopping, differentiable: [], backward: () => new Map() },
];
