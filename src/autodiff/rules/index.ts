import type { GradientRule } from '../gradient-rule.js';
import { convolution } from './convolution.js';
import { elementwise } from './elementwise.js';
import { linear } from './linear.js';
import { reduction } from './reduction.js';

export const rules: readonly GradientRule[] = [...convolution, ...elementwise, ...linear, ...reduction];
