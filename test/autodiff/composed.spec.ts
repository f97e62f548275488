import type { AttributeInput } from '../../src/onnx/attributes.js';
import { claimGradients, type GradientCase, type Parts } from './expect-gradients.js';

const float = (value: number): AttributeInput => ({ float: value });

/** A float parameter by its shape, an int32 or int64 constant, or an input that is left out. */
type Operand =
  | readonly number[]
  | { readonly int32: readonly number[]; readonly dims: readonly number[] }
  | { readonly int64: readonly number[]; readonly dims: readonly number[] }
  | { readonly bool: readonly number[]; readonly dims: readonly number[] }
  | undefined;

interface Row {
  readonly name: string;
  readonly opType: string;
  readonly inputs: readonly Operand[];
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
  readonly opsets?: readonly number[];
  readonly domain?: string;
  /** Outputs that the loss is made of; default: the first of one. */
  readonly outputs?: readonly number[];
}

const heads2 = { num_heads: 2 };
const [x, w, b] = [[2, 3, 6], [6, 12], [12]] as const;
const lengths = { int32: [3, 2], dims: [2] };
const rawMask = { int32: [1, 1, 1, 1, 1, 0], dims: [2, 3] };

const attentions: readonly Row[] = [
  { name: 'without a mask', opType: 'Attention', inputs: [x, w, b], attributes: heads2 },
  { name: 'by a mask of keys', opType: 'Attention', inputs: [x, w, b, rawMask], attributes: heads2, opsets: [11, 13, 17] },
  { name: 'by a mask of queries and keys', opType: 'Attention', inputs: [x, w, b, { int32: [1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0], dims: [2, 3, 3] }], attributes: heads2 },
  { name: 'by lengths', opType: 'Attention', inputs: [x, w, b, lengths], attributes: heads2, opsets: [11, 13, 17] },
  { name: 'causal, with a scale', opType: 'Attention', inputs: [x, w, b], attributes: { ...heads2, unidirectional: 1, scale: float(0.3) } },
  { name: 'with a bias of the scores', opType: 'Attention', inputs: [x, w, b, undefined, undefined, [1, 2, 3, 3]], attributes: heads2 },
  { name: 'with values of another size', opType: 'Attention', inputs: [x, [6, 16], [16]], attributes: { ...heads2, qkv_hidden_sizes: [4, 4, 8] } },
  { name: 'of three inputs', opType: 'MultiHeadAttention', inputs: [[2, 3, 6], [2, 5, 6], [2, 5, 8]], attributes: heads2 },
  { name: 'with biases and a mask', opType: 'MultiHeadAttention', inputs: [[2, 3, 6], [2, 5, 6], [2, 5, 6], [18], { int32: [1, 1, 1, 1, 0, 1, 1, 0, 1, 1], dims: [2, 5] }], attributes: heads2, opsets: [11, 13, 17] },
  { name: 'with a bias of the scores', opType: 'MultiHeadAttention', inputs: [[2, 3, 6], [2, 5, 6], [2, 5, 6], undefined, undefined, [2, 2, 3, 5]], attributes: { ...heads2, scale: float(0.4) } },
  { name: 'with heads apart already', opType: 'MultiHeadAttention', inputs: [[2, 3, 6], [2, 2, 5, 3], [2, 2, 5, 3]], attributes: heads2 },
].map((row) => ({ domain: 'com.microsoft', ...row })); // prettier-ignore

const onnxAttentions: readonly Row[] = [
  { name: 'with heads apart', inputs: [[2, 3, 4, 5], [2, 3, 6, 5], [2, 3, 6, 4]] },
  { name: 'with heads joined', inputs: [[2, 4, 15], [2, 6, 15], [2, 6, 12]], attributes: { q_num_heads: 3, kv_num_heads: 3, scale: float(0.4) } },
  { name: 'with fewer heads of keys', inputs: [[2, 4, 3, 5], [2, 2, 3, 5], [2, 2, 3, 5]] },
  { name: 'with fewer heads of keys, joined', inputs: [[2, 3, 12], [2, 3, 6], [2, 3, 8]], attributes: { q_num_heads: 4, kv_num_heads: 2 } },
  { name: 'causal', inputs: [[2, 2, 4, 3], [2, 2, 4, 3], [2, 2, 4, 3]], attributes: { is_causal: 1 } },
  { name: 'causal, more keys than queries', inputs: [[2, 2, 3, 3], [2, 2, 5, 3], [2, 2, 5, 3]], attributes: { is_causal: 1 } },
  { name: 'with a bias', inputs: [[2, 2, 3, 4], [2, 2, 5, 4], [2, 2, 5, 4], [3, 5]] },
  { name: 'with a bias a head', inputs: [[2, 2, 3, 4], [2, 2, 5, 4], [2, 2, 5, 4], [2, 2, 3, 5]] },
  { name: 'with a mask', inputs: [[2, 2, 3, 4], [2, 2, 3, 4], [2, 2, 3, 4], { bool: [1, 0, 1, 1, 1, 0, 1, 1, 1], dims: [3, 3] }] },
  { name: 'with a query that sees nothing', inputs: [[2, 2, 3, 4], [2, 2, 3, 4], [2, 2, 3, 4], { bool: [0, 0, 0, 1, 0, 1, 1, 1, 1], dims: [3, 3] }] },
  { name: 'with a query from which a mask and causality hide all', inputs: [[2, 2, 3, 4], [2, 2, 3, 4], [2, 2, 3, 4], { bool: [0, 1, 1, 1, 0, 1, 1, 1, 1], dims: [3, 3] }], attributes: { is_causal: 1 } },
  { name: 'with a cap', inputs: [[2, 2, 3, 4], [2, 2, 3, 4], [2, 2, 3, 4]], attributes: { softcap: float(0.7) } },
  { name: 'with a past', inputs: [[2, 2, 3, 4], [2, 2, 3, 4], [2, 2, 3, 4], undefined, [2, 2, 2, 4], [2, 2, 2, 4]], attributes: { is_causal: 1 }, outputs: [0, 2] },
].map((row) => ({ opType: 'Attention', opsets: [23, 25], ...row })); // prettier-ignore

const rotations: readonly Row[] = [
  { name: 'of halves', opType: 'RotaryEmbedding', inputs: [[2, 2, 3, 6], [2, 3, 3], [2, 3, 3]], opsets: [23, 25] },
  { name: 'of neighbours, by positions', opType: 'RotaryEmbedding', inputs: [[2, 2, 3, 6], [5, 3], [5, 3], { int64: [0, 1, 4, 2, 3, 0], dims: [2, 3] }], attributes: { interleaved: 1 }, opsets: [23, 25] },
  { name: 'of a part of each head', opType: 'RotaryEmbedding', inputs: [[2, 3, 12], [5, 2], [5, 2], { int64: [0, 1, 4, 2, 3, 0], dims: [2, 3] }], attributes: { rotary_embedding_dim: 4, num_heads: 2 }, opsets: [23, 25] },
  { name: 'of halves', domain: 'com.microsoft', opType: 'RotaryEmbedding', inputs: [[2, 3, 12], { int64: [0, 1, 4, 2, 3, 0], dims: [2, 3] }, [5, 3], [5, 3]], opsets: [13, 17] },
]; // prettier-ignore

const norms: readonly Row[] = [
  { name: 'of a sum', opType: 'SkipLayerNormalization', inputs: [[2, 3, 5], [2, 3, 5], [5], [5]], opsets: [11, 14, 17] },
  { name: 'of a sum with a bias', opType: 'SkipLayerNormalization', inputs: [[2, 3, 5], [2, 3, 5], [5], [5], [5]], attributes: { epsilon: float(1e-3) }, opsets: [11, 14, 17] },
  { name: 'without a shift', opType: 'SkipLayerNormalization', inputs: [[2, 3, 5], [2, 3, 5], [5]], opsets: [11, 17] },
  { name: 'whose sum goes on too', opType: 'SkipLayerNormalization', inputs: [[2, 3, 5], [2, 3, 5], [5], [5]], outputs: [0, 3] },
  { name: 'with one addend for the batch', opType: 'SkipLayerNormalization', inputs: [[2, 3, 5], [1, 3, 5], [5], [5]] },
  { name: 'of a sum', opType: 'SkipSimplifiedLayerNormalization', inputs: [[2, 3, 5], [2, 3, 5], [5], [5]], outputs: [0, 3], opsets: [11, 14, 17] },
  { name: 'of words, places and segments', opType: 'EmbedLayerNormalization', inputs: [{ int32: [1, 2, 3, 3, 0, 1], dims: [2, 3] }, { int32: [0, 0, 1, 0, 1, 1], dims: [2, 3] }, [4, 5], [6, 5], [2, 5], [5], [5]], outputs: [0, 2], opsets: [11, 13, 17] },
  { name: 'of words and given places', opType: 'EmbedLayerNormalization', inputs: [{ int32: [1, 2, 3, 3, 0, 1], dims: [2, 3] }, undefined, [4, 5], [6, 5], undefined, [5], [5], undefined, { int32: [4, 1, 0, 0, 1, 2], dims: [2, 3] }], outputs: [0, 2] },
].map((row) => ({ domain: 'com.microsoft', ...row })); // prettier-ignore

const products: readonly Row[] = [
  { name: 'scaled and turned', opType: 'FusedMatMul', inputs: [[2, 5, 3], [2, 4, 5]], attributes: { alpha: float(0.6), transA: 1, transB: 1 }, opsets: [11, 13, 17] },
  { name: 'with the batch second', opType: 'FusedMatMul', inputs: [[3, 2, 5], [4, 2, 5]], attributes: { transBatchA: 1, transBatchB: 1, transB: 1 } },
  { name: 'of a matrix for all', opType: 'FusedMatMul', inputs: [[2, 4, 3], [3, 5]], attributes: { alpha: float(2) } },
  ...([['Relu'], ['Sigmoid'], ['Tanh'], ['LeakyRelu', 0.2], ['Clip', -0.4, 0.9], ['HardSigmoid', 0.3, 0.4]] as const).map(([activation, ...params]) => ({
    name: `with ${activation}`,
    opType: 'FusedConv',
    inputs: [[2, 3, 5, 4], [4, 3, 3, 3], [4]],
    attributes: { activation, pads: [1, 0, 1, 1], strides: [2, 1], ...(params.length > 0 && { activation_params: { floats: params } }) },
    opsets: [9, 13, 17],
  })),
  { name: 'with a sum and Relu', opType: 'FusedConv', inputs: [[2, 4, 5, 4], [4, 2, 3, 3], [4], [2, 4, 3, 2]], attributes: { activation: 'Relu', group: 2 } },
  { name: 'with Relu', opType: 'FusedGemm', inputs: [[3, 5], [4, 5], [4]], attributes: { activation: 'Relu', transB: 1, alpha: float(0.7) }, opsets: [9, 13, 17] },
  { name: 'with LeakyRelu', opType: 'FusedGemm', inputs: [[3, 5], [5, 4]], attributes: { activation: 'LeakyRelu', activation_alpha: float(0.3) }, opsets: [13] },
].map((row) => ({ domain: 'com.microsoft', ...row })); // prettier-ignore

function operand({ weight, fixed, ints }: Parts, b: Parameters<GradientCase['build']>[0], given: Operand, i: number): string {
  if (given === undefined) return '';
  if ('int64' in given) return ints(given.int64, given.dims);
  if ('int32' in given) return b.op('Cast', [fixed(`integers ${i}`, given.dims, given.int32)], { attributes: { to: 6 } });
  if ('bool' in given) return b.op('Cast', [fixed(`flags ${i}`, given.dims, given.bool)], { attributes: { to: 9 } });
  return weight(`operand ${i}`, given);
} // prettier-ignore

const cases: GradientCase[] = [...attentions, ...onnxAttentions, ...rotations, ...norms, ...products].flatMap(
  ({ name, opType, inputs, attributes = {}, opsets = [17], domain = '', outputs = [0] }) =>
    opsets.map((opset): GradientCase => ({
      name: `${domain && `${domain}.`}${opType} ${name}`,
      opset,
      domains: { 'com.microsoft': 1 },
      build(b, parts) {
        // Caches of cosines and sines are no parameters.
        const isCache = (i: number): boolean => opType === 'RotaryEmbedding' && i !== 0;
        const own = inputs.map((given, i) =>
          operand(isCache(i) ? { ...parts, weight: parts.fixed } : parts, b, given, i),
        );
        const all = b.ops(opType, own, Math.max(...outputs) + 1, { domain, attributes });
        return outputs.filter((i) => domain !== '' || i === 0).map((i) => all[i]!);
      },
    })),
);

describe('gradients of fused operators', () => claimGradients(cases));
