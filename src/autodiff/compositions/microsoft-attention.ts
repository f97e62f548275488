/**
 * ONNX Runtime's own attention operators, without a past:
 *
 *   Attention            Q, K, V = X W + b, cut along the last axis
 *   MultiHeadAttention   Q, K, V are inputs, a bias of all three is added
 *
 * A padding mask is one number a key, 0 for what is left out (also one a query and key), or the count of keys that stay.
 */
import { floatAttribute, intAttribute, intsAttribute } from '../../onnx/attributes.js';
import { dtypeInfo } from '../../tensor/dtype.js';
import { attend, futureOf, joinHeads, lowest, type Scoring, splitHeads } from './attention.js';
import type { Composition, CompositionContext } from './composition.js';
import { cut } from './cut.js';

const [int64Code, boolCode] = [dtypeInfo('int64').code, dtypeInfo('bool').code];

/** bool, broadcast to [B, h, S, T]: true for keys that the padding mask leaves out. */
function hiddenBy(at: CompositionContext, mask: string, k: string): string {
  const shape = at.shapeOf(mask);
  if (shape.length === 2 || shape.length === 3) {
    const hidden = at.op('Not', [at.op('Cast', [mask], { attributes: { to: boolCode } })]);
    const target = shape.length === 2 ? [-1, 1, 1, shape[1]!] : [-1, 1, shape[1]!, shape[2]!];
    return at.op('Reshape', [hidden, at.ints(target)]);
  }
  const [batch, , length] = at.shapeOf(k) as [number, number, number];
  if (shape.length !== 1 || shape[0] !== batch) at.refuse(`a mask of shape [${shape}]`);
  const kept = at.op('Reshape', [at.op('Cast', [mask], { attributes: { to: int64Code } }), at.ints([-1, 1, 1, 1])]);
  // Places from 1 on, so that Greater says which lie behind the last that stays.
  const places = at.ints(Array.from({ length }, (_, i) => i + 1));
  return at.op('Greater', [places, kept]);
} // prettier-ignore

function scoringOf(
  at: CompositionContext,
  q: string,
  k: string,
  mask: string | undefined,
  bias: string | undefined,
): Scoring {
  const { node } = at;
  const biases = bias ? [bias] : [];
  if (mask) {
    const filter = floatAttribute(node, 'mask_filter_value', -10000);
    const none = at.scalar(0);
    biases.push(at.op('Where', [hiddenBy(at, mask, k), at.scalar(filter === 0 ? lowest : filter), none]));
  }
  return {
    scale: floatAttribute(node, 'scale', 0) || 1 / Math.sqrt(at.shapeOf(q)[3]!),
    biases,
    hidden: intAttribute(node, 'unidirectional', 0) === 1 ? [futureOf(at, q, k)] : [],
  };
}

export const microsoftAttention: Composition = (at) => {
  const { node } = at;
  const [X, W] = at.x as [string, string];
  const [, , bias, mask, past, scoreBias] = at.x;
  if (past) at.refuse('a past');
  if (intAttribute(node, 'do_rotary', 0) === 1) at.refuse('rotary positions');
  const heads = intAttribute(node, 'num_heads', 1);
  const third = at.shapeOf(W)[1]! / 3;
  const sizes = intsAttribute(node, 'qkv_hidden_sizes') ?? [third, third, third];
  const product = at.op('MatMul', [X, W]);
  const [q, k, v] = cut(at, bias ? at.op('Add', [product, bias]) : product, sizes).map((part) =>
    splitHeads(at, part, heads),
  ) as [string, string, string];
  return joinHeads(at, attend(at, { q, k, v }, scoringOf(at, q, k, mask, scoreBias)));
};

export const multiHeadAttention: Composition = (at) => {
  const [Q, K, V] = at.x as [string, string?, string?];
  const [, , , bias, mask, scoreBias, past] = at.x;
  if (past) at.refuse('a past');
  if (!K || !V || at.shapeOf(Q).length !== 3) return at.refuse('joined queries, keys and values');
  const heads = intAttribute(at.node, 'num_heads', 1);
  const widths = [Q, Q, at.shapeOf(V).length === 3 ? V : Q].map((value) => at.shapeOf(value)[2]!);
  const biases = bias ? cut(at, bias, widths) : [];
  const [q, k, v] = [Q, K, V].map((value, i) => {
    // Keys and values of another sequence may come with their heads apart already.
    if (at.shapeOf(value).length === 4) return value;
    return splitHeads(at, biases[i] ? at.op('Add', [value, biases[i]]) : value, heads);
  }) as [string, string, string];
  return joinHeads(at, attend(at, { q, k, v }, scoringOf(at, q, k, mask, scoreBias)));
};
