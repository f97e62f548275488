import {
  floatAttribute,
  floatsAttribute,
  intAttribute,
  intsAttribute,
  tensorAttribute,
} from '../onnx/attributes.js';
import { indexGraph } from '../onnx/graph-index.js';
import { toTensor } from '../onnx/initializer.js';
import type { Graph, Node } from '../onnx/ir.js';
import { float32, int64, type Tensor } from '../tensor/tensor.js';

/**
 * Reads values that the graph holds as constants: initializers, and Constant nodes, also behind Identities. An initializer that is an
 * input's default counts, though a caller might feed another: files of IR version 3 list all of them as inputs.
 */
export function createConstantReader(graph: Graph): (value: string | undefined) => Tensor | undefined {
  const { producer } = indexGraph(graph);
  return (value) => {
    if (!value) return undefined;
    const initializer = graph.initializers.get(value);
    if (initializer) return toTensor(initializer);
    let node = producer(value);
    while (node?.opType === 'Identity') {
      const held = graph.initializers.get(node.inputs[0]!);
      if (held) return toTensor(held);
      node = producer(node.inputs[0]!);
    }
    return node?.opType === 'Constant' ? constantTensor(node) : undefined;
  };
}

function constantTensor(node: Node): Tensor | undefined {
  const tensor = tensorAttribute(node, 'value');
  if (tensor) return tensor.content.kind === 'strings' ? undefined : toTensor(tensor);
  const ints = intsAttribute(node, 'value_ints');
  if (ints) return int64([ints.length], ints);
  const floats = floatsAttribute(node, 'value_floats');
  if (floats) return float32([floats.length], floats);
  if (node.attributes.has('value_int')) return int64([], [intAttribute(node, 'value_int', 0)]);
  if (node.attributes.has('value_float')) return float32([], [floatAttribute(node, 'value_float', 0)]);
  return undefined;
}
