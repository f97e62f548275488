/** The last step of differentiation: drops nodes that nothing needs and gives each gradient its name. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { valuesRead } from '../onnx/graph-index.js';
import { node as makeNode, type Node } from '../onnx/ir.js';

/**
 * Renames the gradient of each value to `grad/<value>`. One value may serve as the gradient of several (Add hands its
 * own on to both operands); then the parameters come first, and a second parameter gets an Identity.
 * @param gradients - by value, in the names of the builder's nodes; @param wanted - names of the outputs by parameter
 * @returns the gradient's name for each value
 */
export function nameGradients(
  builder: GraphBuilder,
  gradients: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): Map<string, string> {
  prune(builder, new Set([...wanted.keys()].map((parameter) => gradients.get(parameter)!)));
  const emitted = new Set(builder.nodes.flatMap(({ outputs }) => outputs));
  const renamed = new Map<string, string>();
  const copies: Node[] = [];
  for (const [parameter, name] of wanted) {
    const gradient = gradients.get(parameter)!;
    if (emitted.has(gradient) && !renamed.has(gradient)) renamed.set(gradient, name);
    else copies.push(makeNode({ opType: 'Identity', name, inputs: [gradient], outputs: [name] }));
  }
  for (const [value, gradient] of gradients) {
    if (!wanted.has(value) && emitted.has(gradient) && !renamed.has(gradient))
      renamed.set(gradient, builder.freshName(`grad/${value}`));
  }
  const rename = (name: string): string => renamed.get(name) ?? name;
  const nodes = [...builder.nodes, ...copies].map((node) => ({
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  }));
  builder.replaceNodes(nodes);
  return new Map([...gradients].map(([value, gradient]) => [value, wanted.get(value) ?? rename(gradient)]));
}

/** Rules are written one by one, so some of what they append serves no gradient that was asked for. */
function prune(builder: GraphBuilder, needed: Set<string>): void {
  const kept = builder.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false;
    for (const input of valuesRead(node)) needed.add(input);
    return true;
  });
  builder.replaceNodes(kept.reverse());
  for (const name of builder.initializers.keys()) if (!needed.has(name)) builder.initializers.delete(name);
}
