import type { GradientRule } from '../gradient-rule.js';
import { activations } from './activation.js';
import { batchNormalization } from './batch-normalization.js';
import { composed } from './composed.js';
import { convolution } from './convolution.js';
import { einsum } from './einsum.js';
import { elementwise } from './elementwise.js';
import { fourier } from './fourier.js';
import { indexing } from './indexing.js';
import { linear } from './linear.js';
import { movement } from './movement.js';
import { normDivision } from './norm-division.js';
import { normalization } from './normalization.js';
import { pooling } from './pooling.js';
import { reductions } from './reduction.js';
import { resize } from './resize.js';
import { softmax } from './softmax.js';
import { stops } from './stop.js';
import { trigonometry } from './trigonometry.js';

export const rules: readonly GradientRule[] = [
  ...elementwise,
  ...trigonometry,
  ...activations,
  ...linear,
  ...einsum,
  ...fourier,
  ...softmax,
  ...reductions,
  ...movement,
  ...indexing,
  ...convolution,
  ...pooling,
  ...resize,
  ...batchNormalization,
  ...normalization,
  ...normDivision,
  ...composed,
  ...stops,
];
