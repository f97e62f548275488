import type { AttributeInput } from '../../onnx/attributes.js';
import { broadcastShape, positiveAxis, sizeOf } from '../../tensor/shape.js';

const elementwise = new Set(['Add', 'Sub', 'Mul', 'Div', 'Where', 'Greater', 'Less', 'And', 'Or', 'Clip']);
const unary = new Set(
  'Cast Not Neg Exp Erf Identity LayerNormalization LeakyRelu HardSigmoid Relu Sigmoid SimplifiedLayerNormalization Softmax Tanh'.split(
    ' ',
  ),
);

/**
 * The shape that one of the few operators of our own compositions gives; undefined for any other.
 * @param list - the second input, where it is a constant list
 */
export function inferShape(
  opType: string,
  inputs: readonly (readonly number[])[],
  {
    attributes,
    list,
  }: {
    readonly attributes: Readonly<Record<string, AttributeInput>>;
    readonly list: readonly number[] | undefined;
  },
): readonly number[] | undefined {
  const [x, y] = inputs;
  if (!x) return undefined;
  if (unary.has(opType)) return x;
  if (elementwise.has(opType)) {
    return inputs.reduce<readonly number[] | undefined>((a, b) => a && broadcastShape(a, b), []);
  }
  switch (opType) {
    case 'Transpose':
      return (attributes['perm'] as readonly number[]).map((axis) => x[axis]!);
    case 'Unsqueeze':
      return (list ?? (attributes['axes'] as readonly number[])).reduce<readonly number[]>(
        (shape, axis) => shape.toSpliced(axis, 0, 1),
        x,
      );
    case 'Concat': {
      const axis = positiveAxis(attributes['axis'] as number, x.length);
      return x.with(
        axis,
        inputs.reduce((total, shape) => total + shape[axis]!, 0),
      );
    }
    case 'Reshape': {
      if (!list) return undefined;
      const copied = list.map((size, axis) => (size === 0 ? x[axis]! : size));
      const known = sizeOf(copied.filter((size) => size !== -1));
      return copied.map((size) => (size === -1 ? sizeOf(x) / known : size));
    }
    case 'MatMul': {
      const batch = y && broadcastShape(x.slice(0, -2), y.slice(0, -2));
      return batch && [...batch, x.at(-2)!, y.at(-1)!];
    }
    default:
      return undefined;
  }
}
