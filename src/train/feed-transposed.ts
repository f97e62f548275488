import { intAttribute } from '../onnx/attributes.js';
import { type Model, tensorValue } from '../onnx/ir.js';

/**
 * Lets the products that read the matrix `input` [rows, columns], float32, across its rows take a second input, its
 * transpose [columns, rows], instead.
 * @returns the model and the name of the new input; undefined where there is no such product
 */
export function feedTransposed(
  model: Model,
  input: string,
): { model: Model; transposed: string } | undefined {
  const { graph } = model;
  const transposed = `${input}/transposed`;
  let isUsed = false;
  const nodes = graph.nodes.map((node) => {
    if (node.opType !== 'Gemm' || node.inputs[0] !== input || intAttribute(node, 'transA', 0) !== 1)
      return node;
    isUsed = true;
    const attributes = new Map(node.attributes);
    attributes.delete('transA');
    return { ...node, inputs: [transposed, ...node.inputs.slice(1)], attributes };
  });
  if (!isUsed) return undefined;
  const value = tensorValue(transposed, 'float32', [null, null]);
  return { model: { ...model, graph: { ...graph, nodes, inputs: [...graph.inputs, value] } }, transposed };
}
