import { intAttribute } from '../../onnx/attributes.js';
import { namesOf } from '../../graph/names-of.js';
import { factsOf } from '../../graph/value-facts.js';
import { GraphBuilder } from '../../onnx/graph-builder.js';
import { valuesRead } from '../../onnx/graph-index.js';
import type { Graph, Node } from '../../onnx/ir.js';
import { resolveWindow } from '../rules/window.js';
import { writeBatchLast } from './batch-last-operators.js';
import type { ConvolutionForm, ConvolutionSizes } from './convolution-form.js';
import { depthwise } from './depthwise.js';
import { FormTape, type FormState } from './form-tape.js';
import { minimalFiltering } from './minimal-filtering.js';
import { pointwise } from './pointwise.js';

type Shapes = ReadonlyMap<string, readonly number[]>;

const forms: readonly ConvolutionForm[] = [minimalFiltering, depthwise, pointwise];

/**
 * Writes convolutions over few positions, as the last ones of a network are, as matrix products where these are faster
 * than the operator. Their gradients are products too, where the gain is greater still. For training steps: the values
 * are those of the operator up to rounding.
 *
 * Products over positions want the batch as the last axis. What follows them is written so as well, as far as it can be,
 * and transposed back where it cannot: [batch, channels, …] ↔ [channels, …, batch].
 * @param graph - float32
 * @param shapes - of all values, in a probe run; the batch may be another at run time
 * @returns the graph, whose outputs keep their names, and the shapes with those of what was added
 */
export function convolutionsAsProducts(
  graph: Graph,
  shapes: Shapes,
  opset: number,
): { readonly graph: Graph; readonly shapes: Shapes } {
  const { values, nodes: named } = namesOf(graph);
  const builder = new GraphBuilder({ opset, taken: [...values, ...named] });
  const all = new Map(shapes);
  for (const [name, { dims }] of graph.initializers) all.set(name, dims);
  const state: FormState = {
    builder,
    shapes: all,
    matrices: new Map(),
    batchLast: new Map(),
    onlyLast: new Set(),
  };
  const { constantOf } = factsOf(graph);
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    const tape = new FormTape(node, state);
    const sizes = sizesOf(node, shapes);
    const form = sizes && forms.find(({ suits }) => suits(sizes, tape.hasBatchLast(node.inputs[0]!)));
    if (form) form.write(tape, sizes);
    else if (!writeBatchLast(tape, constantOf)) {
      for (const value of valuesRead(node)) tape.batchFirst(value);
      tape.nodes.push(node);
    }
    return tape.nodes;
  });
  const last = nodes.at(-1);
  if (last) {
    const tape = new FormTape(last, state);
    for (const { name } of graph.outputs) tape.batchFirst(name);
    nodes.push(...tape.nodes);
  }
  for (const [name, { dims }] of builder.initializers) all.set(name, dims);
  const initializers = new Map([...graph.initializers, ...builder.initializers]);
  return { graph: { ...graph, nodes, initializers }, shapes: all };
}

/** Undefined for what is no convolution over two axes. */
function sizesOf(node: Node, shapes: Shapes): ConvolutionSizes | undefined {
  if (node.opType !== 'Conv' || node.domain !== '') return undefined;
  const [x, w, y] = [node.inputs[0]!, node.inputs[1]!, node.outputs[0]!].map((name) => shapes.get(name));
  if (x?.length !== 4 || w?.length !== 4 || y?.length !== 4) return undefined;
  const [batch, from, ...input] = x as [number, number, number, number];
  const [to, , ...kernel] = w as [number, number, number, number];
  const [, , ...output] = y as [number, number, number, number];
  const { strides, dilations, pads } = resolveWindow(node, input, kernel);
  const pair = (values: readonly number[]): readonly [number, number] => [values[0]!, values[1]!];
  return {
    ...{ batch, from, to, kernel, input, output },
    strides: pair(strides),
    dilations: pair(dilations),
    pads: pair(pads),
    groups: intAttribute(node, 'group', 1),
  };
}
