import { GraftError } from '../errors.js';
import { subgraphs } from '../onnx/attributes.js';
import type { Graph, Model, Node } from '../onnx/ir.js';
import { nearNames } from './near-names.js';

/**
 * @throws GraftError UNKNOWN_VALUE where no node of the model's graph computes `name`: says where it is instead, or
 *   lists near names.
 */
export function assertValueExists(model: Model, name: string, where = 'the model'): void {
  const { nodes, inputs, initializers } = model.graph;
  const computed = new Set(nodes.flatMap(({ outputs }) => outputs.filter((output) => output !== '')));
  if (computed.has(name)) return;
  throw new GraftError('UNKNOWN_VALUE', reason());

  function reason(): string {
    const holder = nodes.find((node) => subgraphs(node).some((body) => defines(body, name)));
    if (holder) {
      const outputs = holder.outputs.filter((output) => output !== '');
      return (
        `The value "${name}" exists only inside a subgraph of ${label(holder)} of ${where}, where no cut is ` +
        `possible; what that node computes as a whole is ${outputs.map((output) => `"${output}"`).join(', ')}.`
      );
    }
    if (initializers.has(name))
      return `"${name}" is a weight of ${where}; name a value that a node computes.`;
    if (inputs.some((input) => input.name === name)) {
      return `"${name}" is an input of ${where}; name a value that a node computes.`;
    }
    return (
      `No node of ${where} computes a value "${name}". Near it: ${nearNames(name, computed).join(', ')}. ` +
      'graft inspect lists the layers that suit a head.'
    );
  }
}

const label = ({ opType, name, outputs }: Node): string => `${opType} "${name || outputs[0] || ''}"`;

function defines(body: Graph, name: string): boolean {
  return (
    body.inputs.some((input) => input.name === name) ||
    body.initializers.has(name) ||
    body.nodes.some(
      (node) => node.outputs.includes(name) || subgraphs(node).some((inner) => defines(inner, name)),
    )
  );
}
