import type { GradientRule } from '../gradient-rule.js';
import { batchNormalization } from './batch-normalization.js';
import { convolution } from './convolution.js';
import { elementwise } from './elementwise.js';
import { linear } from './linear.js';
import { normDivision } from './norm-division.js';
import { normalization } from './normalization.js';
import { pooling } from './pooling.js';
import { reduction } from './reduction.js';
import { resize } from './resize.js';

export const rules: readonly GradientRule[] = [
  ...elementwise,
  ...linear,
  ...convolution,
  ...pooling,
  ...resize,
  ...batchNormalization,
  ...normalization,
  ...normDivision,
  ...reduction,
];
