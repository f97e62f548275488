import type { Node } from '../../onnx/ir.js';
import { attention } from './attention.js';
import type { Composition } from './composition.js';
import { fusedConvolution, fusedGemm, fusedMatMul } from './fused-product.js';
import { gridSample } from './grid-sample.js';
import { globalLpPool, lpPool } from './lp-pool.js';
import { maxUnpool } from './max-unpool.js';
import { microsoftAttention, multiHeadAttention } from './microsoft-attention.js';
import { recurrentGru, recurrentLstm, recurrentRnn } from './recurrent.js';
import { microsoftRotaryEmbedding, rotaryEmbedding } from './rotary.js';
import {
  embedLayerNormalization,
  skipLayerNormalization,
  skipSimplifiedLayerNormalization,
} from './skip-normalization.js';

export { type ScanBody, scanNode } from './scan.js';
export { type Composition, expand } from './composition.js';

export interface ComposedOperator {
  readonly opType: string;
  readonly domain: string;
  /** Inputs that a gradient may reach. */
  readonly differentiable: readonly number[];
  readonly composition: Composition;
}

const microsoft = 'com.microsoft';

export const composedOperators: readonly ComposedOperator[] = [
  { opType: 'Attention', domain: '', differentiable: [0, 1, 2, 3, 4, 5], composition: attention },
  { opType: 'RotaryEmbedding', domain: '', differentiable: [0], composition: rotaryEmbedding },
  { opType: 'LpPool', domain: '', differentiable: [0], composition: lpPool },
  { opType: 'GridSample', domain: '', differentiable: [0, 1], composition: gridSample },
  { opType: 'MaxUnpool', domain: '', differentiable: [0], composition: maxUnpool },
  { opType: 'GlobalLpPool', domain: '', differentiable: [0], composition: globalLpPool },
  { opType: 'RNN', domain: '', differentiable: [0, 1, 2, 3, 5], composition: recurrentRnn },
  { opType: 'GRU', domain: '', differentiable: [0, 1, 2, 3, 5], composition: recurrentGru },
  { opType: 'LSTM', domain: '', differentiable: [0, 1, 2, 3, 5, 6], composition: recurrentLstm },
  { opType: 'Attention', domain: microsoft, differentiable: [0, 1, 2, 5], composition: microsoftAttention },
  { opType: 'MultiHeadAttention', domain: microsoft, differentiable: [0, 1, 2, 3, 5], composition: multiHeadAttention },
  { opType: 'RotaryEmbedding', domain: microsoft, differentiable: [0], composition: microsoftRotaryEmbedding },
  { opType: 'SkipLayerNormalization', domain: microsoft, differentiable: [0, 1, 2, 3, 4], composition: skipLayerNormalization },
  { opType: 'SkipSimplifiedLayerNormalization', domain: microsoft, differentiable: [0, 1, 2, 3], composition: skipSimplifiedLayerNormalization },
  { opType: 'EmbedLayerNormalization', domain: microsoft, differentiable: [2, 3, 4, 5, 6], composition: embedLayerNormalization },
  { opType: 'FusedMatMul', domain: microsoft, differentiable: [0, 1], composition: fusedMatMul },
  { opType: 'TransposeMatMul', domain: microsoft, differentiable: [0, 1], composition: fusedMatMul },
  { opType: 'FusedConv', domain: microsoft, differentiable: [0, 1, 2, 3], composition: fusedConvolution },
  { opType: 'FusedGemm', domain: microsoft, differentiable: [0, 1, 2], composition: fusedGemm },
]; // prettier-ignore

const table = new Map(composedOperators.map((row) => [`${row.domain}:${row.opType}`, row.composition]));

export function compositionOf({ domain, opType }: Node): Composition | undefined {
  return table.get(`${domain === 'ai.onnx' ? '' : domain}:${opType}`);
}
