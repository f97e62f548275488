/** How a network scales the numbers of its input itself, before the first operator that does more: what tells which numbers it wants. */
import { indexGraph } from '../onnx/graph-index.js';
import { toTensor } from '../onnx/initializer.js';
import type { Graph } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';
import { toFloat32 } from '../tensor/to-float32.js';

/** y = slope · x + offset, of several channels the mean. */
export interface InputScale {
  readonly slope: number;
  readonly offset: number;
}

/** Operators that move numbers and leave them as they are; a resize only mixes them. */
const moving: ReadonlySet<string> = new Set([
  'Cast',
  'Identity',
  'Transpose',
  'Reshape',
  'Squeeze',
  'Unsqueeze',
  'Gather',
  'Pad',
  'Slice',
  'Resize',
]);

/** Undefined where the input is not scaled. */
export function inputScale(graph: Graph, input: string): InputScale | undefined {
  const { producer, users } = indexGraph(graph);
  let value = input;
  let [slope, offset] = [1, 0];
  for (;;) {
    const [node, ...others] = users(value);
    if (!node || others.length > 0) break;
    const { opType, inputs, outputs } = node;
    if (!moving.has(opType)) {
      const isFirst = inputs[0] === value;
      const by = inputs.length === 2 ? meanOf(inputs[isFirst ? 1 : 0]!) : undefined;
      if (by === undefined) break;
      if (opType === 'Mul' || (opType === 'Div' && isFirst)) {
        const factor = opType === 'Mul' ? by : 1 / by;
        [slope, offset] = [slope * factor, offset * factor];
      } else if (opType === 'Add') offset += by;
      else if (opType === 'Sub' && isFirst) offset -= by;
      else break;
    } else if (inputs[0] !== value) break;
    value = outputs[0]!;
  }
  return slope === 1 && offset === 0 ? undefined : { slope, offset };

  /** Of a constant with at most one number for each channel. */
  function meanOf(name: string): number | undefined {
    const attribute = producer(name)?.attributes.get('value');
    const constant =
      graph.initializers.get(name) ?? (attribute?.kind === 'tensor' ? attribute.value : undefined);
    if (!constant || constant.dtype === 'string' || sizeOf(constant.dims) > 4) return undefined;
    const numbers = toFloat32(toTensor(constant));
    return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  }
}
