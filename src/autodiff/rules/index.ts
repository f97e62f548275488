import type { GradientRule } from '../gradient-rule.js';
import { elementwise } from './elementwise.js';
import { linear } from './linear.js';
import { reduction } from './reduction.js';

export const rules: readonly GradientRule[] = [...elementwise, ...linear, ...reduction];
