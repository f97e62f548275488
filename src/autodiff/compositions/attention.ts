/**
 * Attention over heads, Q [B, h, S, d], K [B, h, T, d], V [B, h, T, e]:
 *
 *   Y = softmax(scale · Q Kᵀ + bias, masked positions out) V
 *
 * ai.onnx Attention (opset 23) takes heads as an axis or joined to the last axis, and fewer heads of keys and values than
 * of queries, each of which then serves as many queries in a row.
 */
import { floatAttribute, intAttribute } from '../../onnx/attributes.js';
import type { Composition, CompositionContext } from './composition.js';
import { int64Scalar, sizeAlong } from './size-along.js';

/** What a masked score becomes: the lowest float32, which softmax makes 0 in any float type. */
export const lowest = -3.4028234663852886e38;

export interface Heads {
  readonly q: string;
  readonly k: string;
  readonly v: string;
}

export interface Scoring {
  readonly scale: number;
  /** Added to the scores; broadcast to [B, h, S, T]. */
  readonly biases?: readonly string[];
  /** bool, broadcast to [B, h, S, T]: true for what is left out. */
  readonly hidden?: readonly string[];
  readonly softcap?: number;
  /** Whether a query from which all keys are hidden gives 0, and not their mean. */
  readonly mayHideAll?: boolean;
}

/** softmax(scores) V, [B, h, S, e] */
export function attend(
  at: CompositionContext,
  { q, k, v }: Heads,
  { scale, biases = [], hidden = [], softcap = 0, mayHideAll = false }: Scoring,
): string {
  const turned = at.op('Transpose', [k], { attributes: { perm: [0, 1, 3, 2] } });
  let scores = at.op('MatMul', [at.op('Mul', [q, at.scalar(scale)]), turned]);
  if (softcap !== 0) {
    const bent = at.op('Tanh', [at.op('Div', [scores, at.scalar(softcap)])]);
    scores = at.op('Mul', [bent, at.scalar(softcap)]);
  }
  for (const bias of biases) scores = at.op('Add', [scores, bias]);
  for (const mask of hidden) scores = at.op('Where', [mask, at.scalar(lowest), scores]);
  // A bias may hide as well, by −∞.
  const isSeen = mayHideAll ? at.op('Greater', [scores, at.scalar(lowest)]) : undefined;
  if (isSeen) scores = at.op('Where', [isSeen, scores, at.scalar(lowest)]);
  const axis = at.opset < 13 ? 3 : -1;
  let weights = at.op('Softmax', [scores], { attributes: { axis } });
  if (isSeen) weights = at.op('Where', [isSeen, weights, at.scalar(0)]);
  return at.op('MatMul', [weights, v]);
}

/** [B, S, h·d] as [B, h, S, d] */
export function splitHeads(at: CompositionContext, value: string, heads: number): string {
  const width = at.shapeOf(value)[2]! / heads;
  const apart = at.op('Reshape', [value, at.ints([0, 0, heads, width])]);
  return at.op('Transpose', [apart], { attributes: { perm: [0, 2, 1, 3] } });
}

/** [B, h, S, d] as [B, S, h·d] */
export function joinHeads(at: CompositionContext, value: string): string {
  const [, heads, , width] = at.shapeOf(value) as [number, number, number, number];
  const turned = at.op('Transpose', [value], { attributes: { perm: [0, 2, 1, 3] } });
  return at.op('Reshape', [turned, at.ints([0, 0, heads * width])]);
}

/** bool [S, T]: true above the diagonal that begins at column `past`. */
export function futureOf(at: CompositionContext, q: string, k: string, past?: string): string {
  const [rows, columns] = [q, k].map((value) => {
    const count = sizeAlong(at, value, 2);
    return { count, size: at.shapeOf(value)[2]! };
  });
  const count = (from: string, { count: length, size }: { count: string; size: number }): string => {
    const end = at.op('Add', [from, length]);
    return at.op('Range', [from, end, int64Scalar(at, 1)], { shape: [size] });
  };
  const offset = past ? sizeAlong(at, past, 2) : int64Scalar(at, 0);
  const places = at.op('Reshape', [count(offset, rows!), at.ints([-1, 1])]);
  return at.op('Greater', [count(int64Scalar(at, 0), columns!), places]);
}

/** Each head of [B, h, T, d] `times` times in a row. */
function repeatHeads(at: CompositionContext, value: string, times: number): string {
  if (times === 1) return value;
  const [, heads, , width] = at.shapeOf(value) as [number, number, number, number];
  const apart = at.op('Unsqueeze', [value, at.ints([2])]);
  const copies = at.op('Concat', Array<string>(times).fill(apart), { attributes: { axis: 2 } });
  return at.op('Reshape', [copies, at.ints([0, heads * times, -1, width])]);
}

export const attention: Composition = (at) => {
  const { node, x } = at;
  const [Q, K, V] = x as [string, string, string];
  const [, , , mask, pastK, pastV, lengths] = x;
  if (lengths) at.refuse('lengths of the keys (nonpad_kv_seqlen)');
  const isJoined = at.shapeOf(Q).length === 3;
  const kvHeads = intAttribute(node, 'kv_num_heads', 0);
  const q = isJoined ? splitHeads(at, Q, intAttribute(node, 'q_num_heads', 0)) : Q;
  let [k, v]: [string, string] = isJoined ? [splitHeads(at, K, kvHeads), splitHeads(at, V, kvHeads)] : [K, V];
  if (pastK) k = at.op('Concat', [pastK, k], { attributes: { axis: 2 } });
  if (pastV) v = at.op('Concat', [pastV, v], { attributes: { axis: 2 } });
  const times = at.shapeOf(q)[1]! / at.shapeOf(k)[1]!;
  const hidden = intAttribute(node, 'is_causal', 0) === 1 ? [futureOf(at, q, k, pastK)] : [];
  const biases: string[] = [];
  if (mask && at.dtypeOf(mask) === 'bool') hidden.push(at.op('Not', [mask]));
  else if (mask) biases.push(mask);
  const y = attend(
    at,
    { q, k: repeatHeads(at, k, times), v: repeatHeads(at, v, times) },
    {
      scale: floatAttribute(node, 'scale', 1 / Math.sqrt(at.shapeOf(q)[3]!)),
      softcap: floatAttribute(node, 'softcap', 0),
      mayHideAll: Boolean(mask),
      biases,
      hidden,
    },
  );
  return isJoined ? joinHeads(at, y) : y;
};
