import { intsAttribute } from '../onnx/attributes.js';
import { constantOfNode } from '../onnx/constant-node.js';
import { indexGraph } from '../onnx/graph-index.js';
import type { Graph } from '../onnx/ir.js';

/** They hand weights on in another type. */
const decoding = new Set(['Identity', 'Cast', 'QuantizeLinear', 'DequantizeLinear']);

/** Decoded, cast and turned: as exporters write weights in front of the node that reads them. */
const mostSteps = 6;

/** The sizes of values that are weights: initializers and Constants, also decoded, cast or transposed; undefined for others. */
export function weightDims(graph: Graph): (value: string | undefined) => readonly number[] | undefined {
  const { producer } = indexGraph(graph);
  const dimsOf = (value: string, steps: number): readonly number[] | undefined => {
    const held = graph.initializers.get(value);
    if (held) return held.dims;
    const node = producer(value);
    if (!node || steps === 0 || node.domain !== '') return undefined;
    if (node.opType === 'Constant') return constantOfNode(node)?.dims;
    const isTurned = node.opType === 'Transpose';
    if (!isTurned && !decoding.has(node.opType)) return undefined;
    const dims = dimsOf(node.inputs[0]!, steps - 1);
    if (!isTurned) return dims;
    return intsAttribute(node, 'perm')?.map((axis) => dims?.[axis] ?? 0) ?? dims?.toReversed();
  };
  return (value) => dimsOf(value ?? '', mostSteps);
}
