/**
 * Rotary positions. The first `rotary_embedding_dim` numbers of each head are pairs (a, b), its two halves or
 * neighbours; with cos and sin of the position:
 *
 *   (a, b) -> (a cos − b sin, a sin + b cos)
 *
 * The gradient turns back: the same operator with −sin. Here it is written out, for want of a float64 kernel.
 */
import { intAttribute } from '../../onnx/attributes.js';
import { joinHeads, splitHeads } from './attention.js';
import type { Composition, CompositionContext } from './composition.js';

export const rotaryEmbedding: Composition = (at) => {
  const [X, cosines, sines, positions] = at.x as [string, string, string, string?];
  return rotate(at, X, { cosines, sines, positions });
};

/** com.microsoft has the positions second, and a single one means the first of a row of them. */
export const microsoftRotaryEmbedding: Composition = (at) => {
  const [X, positions, cosines, sines] = at.x as [string, string, string, string];
  if (at.shapeOf(positions).length !== 2) at.refuse('one position for all');
  return rotate(at, X, { cosines, sines, positions });
};

function rotate(
  at: CompositionContext,
  X: string,
  {
    cosines,
    sines,
    positions,
  }: { readonly cosines: string; readonly sines: string; readonly positions: string | undefined },
): string {
  const { node } = at;
  const isJoined = at.shapeOf(X).length === 3;
  const half = at.shapeOf(cosines).at(-1)!;
  const width = intAttribute(node, 'rotary_embedding_dim', 0) || 2 * half;
  const heads = intAttribute(node, 'num_heads', 0) || at.shapeOf(X)[2]! / width;
  const x = isJoined ? splitHeads(at, X, heads) : X;
  const shape = at.shapeOf(x);
  const [length, full] = [shape[2]!, shape[3]!];
  const isInterleaved = intAttribute(node, 'interleaved', 0) === 1;
  const part = (from: string, start: number, end: number, step = 1): string =>
    at.op('Slice', [from, at.ints([start]), at.ints([end]), at.ints([3]), at.ints([step])], {
      shape: shape.with(3, Math.ceil((end - start) / step)),
    });
  const [a, b] = isInterleaved
    ? [part(x, 0, width, 2), part(x, 1, width, 2)]
    : [part(x, 0, half), part(x, half, width)];
  const [cos, sin] = [cosines, sines].map((table) => {
    const rows = positions
      ? at.op('Gather', [table, positions], { attributes: { axis: 0 }, shape: [shape[0]!, length, half] })
      : table;
    return at.op('Reshape', [rows, at.ints([0, 1, -1, half])]);
  }) as [string, string];
  const times = (left: string, right: string): string => at.op('Mul', [left, right]);
  const first = at.op('Sub', [times(a, cos), times(b, sin)]);
  const second = at.op('Add', [times(a, sin), times(b, cos)]);
  let turned: string;
  if (isInterleaved) {
    const pairs = [first, second].map((value) => at.op('Reshape', [value, at.ints([0, 0, 0, half, 1])]));
    const joined = at.op('Concat', pairs, { attributes: { axis: 4 } });
    turned = at.op('Reshape', [joined, at.ints([0, 0, 0, width])]);
  } else turned = at.op('Concat', [first, second], { attributes: { axis: 3 } });
  const rest = full > width ? [part(x, width, full)] : [];
  const y = at.op('Concat', [turned, ...rest], { attributes: { axis: 3 } });
  return isJoined ? joinHeads(at, y) : y;
}
