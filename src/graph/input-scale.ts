/** How a network scales the numbers of its input itself, before the first operator that does more: what tells which numbers it wants. */
import { indexGraph } from '../onnx/graph-index.js';
import type { Graph } from '../onnx/ir.js';
import { toFloat32 } from '../tensor/to-float32.js';
import { factsOf } from './value-facts.js';

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

const scaling: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div']);

/** Undefined where the input is not scaled. */
export function inputScale(graph: Graph, input: string): InputScale | undefined {
  const { users } = indexGraph(graph);
  const { constantOf } = factsOf(graph);
  let value = input;
  let [slope, offset] = [1, 0];
  for (;;) {
    const [node, ...others] = users(value);
    if (!node || others.length > 0) break;
    const { opType, inputs, outputs } = node;
    const isFirst = inputs[0] === value;
    if (scaling.has(opType)) {
      const by = meanOf(inputs[isFirst ? 1 : 0]!);
      if (by === undefined || (!isFirst && (opType === 'Div' || opType === 'Sub'))) break;
      if (opType === 'Add') offset += by;
      else if (opType === 'Sub') offset -= by;
      else {
        const factor = opType === 'Mul' ? by : 1 / by;
        [slope, offset] = [slope * factor, offset * factor];
      }
    } else if (!isFirst || !moving.has(opType)) break;
    value = outputs[0]!;
  }
  return slope === 1 && offset === 0 ? undefined : { slope, offset };

  /** Of a constant with at most one number for each channel. */
  function meanOf(name: string): number | undefined {
    const constant = constantOf(name);
    if (!constant || constant.data.length === 0 || constant.data.length > 4) return undefined;
    const numbers = toFloat32(constant);
    return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  }
}
