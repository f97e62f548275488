/**
 * Layer normalisation of a sum, as ONNX Runtime fuses it:
 *
 *   SkipLayerNormalization             norm(x + skip + bias) · γ + β       the sum is the fourth output
 *   SkipSimplifiedLayerNormalization   the same by the root mean square, without β
 *   EmbedLayerNormalization            norm(words + places + segments)     the sum is the third output
 */
import { type AttributeInput, floatAttribute } from '../../onnx/attributes.js';
import { toInitializer } from '../../onnx/initializer.js';
import { checked } from '../../tensor/tensor.js';
import type { Composition, CompositionContext } from './composition.js';

function epsilonOf({ node }: CompositionContext, fallback: number): Readonly<Record<string, AttributeInput>> {
  return { axis: -1, epsilon: { float: floatAttribute(node, 'epsilon', fallback) } };
}

/** ONNX Runtime knows both operators at any operator set. */
function normalize(
  at: CompositionContext,
  opType: 'LayerNormalization' | 'SimplifiedLayerNormalization',
  [x, scale, bias]: readonly [string, string, string | undefined],
): string {
  return at.op(opType, [x, scale, ...(bias ? [bias] : [])], { attributes: epsilonOf(at, 1e-12) });
}

function skip(isSimplified: boolean): Composition {
  return (at) => {
    const [x, other, scale] = at.x as [string, string, string];
    const [shift, bias] = isSimplified ? [undefined, at.x[3]] : [at.x[3], at.x[4]];
    let sum = at.op('Add', [x, other]);
    if (bias) sum = at.op('Add', [sum, bias]);
    const opType = isSimplified ? 'SimplifiedLayerNormalization' : 'LayerNormalization';
    return [normalize(at, opType, [sum, scale, shift]), '', '', sum];
  };
}

export const skipLayerNormalization = skip(false);
export const skipSimplifiedLayerNormalization = skip(true);

export const embedLayerNormalization: Composition = (at) => {
  const [ids, segments, words, places, kinds, scale, shift, , positions] = at.x as [string, ...string[]];
  const look = (table: string, indices: string): string =>
    at.op('Gather', [table, indices], {
      attributes: { axis: 0 },
      shape: [...at.shapeOf(indices), at.shapeOf(table)[1]!],
    });
  let sum = look(words!, ids);
  sum = at.op('Add', [sum, positions ? look(places!, positions) : firstRows(at, places!, ids)]);
  if (segments) sum = at.op('Add', [sum, look(kinds!, segments)]);
  return [
    normalize(at, 'LayerNormalization', [sum, scale!, shift]),
    at.node.outputs[1] ? maskIndex(at) : '',
    sum,
  ];
};

/** How many tokens of each text the mask keeps, int32 [batch]; 0 where there is no mask. */
function maskIndex(at: CompositionContext): string {
  const [ids, mask] = [at.x[0]!, at.x[7]];
  const shape = [at.shapeOf(ids)[0]!];
  if (mask) {
    return at.opset < 13
      ? at.op('ReduceSum', [mask], { attributes: { axes: [1], keepdims: 0 }, shape })
      : at.op('ReduceSum', [mask, at.ints([1])], { attributes: { keepdims: 0 }, shape });
  }
  const sizes = at.op('Shape', [ids], { shape: [2] });
  const batch = at.op('Gather', [sizes, at.ints([0])], { attributes: { axis: 0 }, shape: [1] });
  const value = toInitializer('', checked('int32', [1], Int32Array.of(0)));
  return at.op('ConstantOfShape', [batch], { attributes: { value }, shape });
}

/** As many rows of the table as a sequence of [batch, length] is long. */
function firstRows(at: CompositionContext, table: string, ids: string): string {
  const shape = [at.shapeOf(ids)[1]!, at.shapeOf(table)[1]!];
  const sizes = at.op('Shape', [ids], { shape: [2] });
  const length = at.op('Gather', [sizes, at.ints([1])], { attributes: { axis: 0 }, shape: [1] });
  return at.op('Slice', [table, at.ints([0]), length, at.ints([0])], { shape });
}
