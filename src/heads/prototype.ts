/**
 * The prototype head: the class whose mean is nearest. -½ τ ‖x - μ_c‖² is, up to what all classes share, linear:
 *
 *   scores = x W + b,   W = τ μ_c,   b = -½ τ ‖μ_c‖²
 *
 * so that it is kept and exported as a linear head. Means and τ are computed, not trained: see `fitPrototypes`.
 */
import type { Head, HeadBuilder } from './head.js';
import { linearHead } from './linear.js';

export const prototypeHead: HeadBuilder<{ readonly kind: 'prototype' }> = (_spec, layer): Head => ({
  ...linearHead({ kind: 'linear' }, layer),
  isConvex: false,
  penalized: [],
});
