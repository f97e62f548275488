/** Reverse-mode differentiation: adds the backward pass of a graph as plain ONNX nodes. */
import { GraftError } from '../errors.js';
import type { AttributeInput } from '../onnx/attributes.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Graph, Node } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';
import type { GradientRule, RuleContext } from './gradient-rule.js';
import { rules as allRules } from './rules/index.js';
import { unbroadcast } from './unbroadcast.js';

export interface DifferentiateOptions {
  /** A value; where it is not a scalar its sum is differentiated. */
  readonly loss: string;
  /** Values, mostly inputs or initializers, whose gradients are wanted. */
  readonly parameters: readonly string[];
  /** Real shapes from a probe run. The batch may differ at run time. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** A value of the graph that is the gradient of `loss`, of its shape; ones unless named. */
  readonly seed?: string;
  /** Element type of the parameters and their gradients; float32 unless named. */
  readonly dtype?: 'float32' | 'float64';
  readonly opset?: number;
  readonly rules?: readonly GradientRule[];
}

export interface Differentiated {
  /** The graph with the backward pass and an output `grad/<parameter>` for each parameter. */
  readonly graph: Graph;
  /** Name of each parameter's gradient. */
  readonly gradients: ReadonlyMap<string, string>;
}

/**
 * @throws GraftError NO_GRADIENT_RULE once, listing every operator in the way that has no rule.
 */
export function differentiate(graph: Graph, options: DifferentiateOptions): Differentiated {
  const { loss, parameters, shapes, dtype = 'float32', opset = 17, rules = allRules } = options;
  const ruleOf = new Map(rules.flatMap((rule) => rule.opTypes.map((opType) => [opType, rule] as const)));
  const path = nodesBetween(graph, parameters, loss, ruleOf);
  refuseWithoutRule(path.nodes, ruleOf);

  const builder = new GraphBuilder({ opset, taken: namesOf(graph) });
  const gradients = new Map<string, string>();
  const shapeOf = (value: string): readonly number[] => {
    const shape = shapes.get(value);
    if (!shape)
      throw new GraftError('INVALID_ARGUMENT', `Expected a shape for value "${value}" but none was given.`);
    return shape;
  };
  const accumulate = (value: string, gradient: string): void => {
    const earlier = gradients.get(value);
    gradients.set(
      value,
      earlier === undefined ? gradient : builder.op('Add', [earlier, gradient], { name: `grad/${value}` }),
    );
  };

  accumulate(loss, options.seed ?? seed(builder, loss, shapeOf(loss)));
  for (const node of path.nodes.toReversed()) {
    const dY = node.outputs.map((output) => gradients.get(output));
    if (dY.every((gradient) => gradient === undefined)) continue;
    const rule = ruleOf.get(node.opType)!;
    const needs = (input: number): boolean =>
      rule.differentiable.includes(input) && path.values.has(node.inputs[input] ?? '');
    const context: RuleContext = {
      node,
      x: node.inputs,
      y: node.outputs,
      dY,
      builder,
      needs,
      shapeOf,
      op: (opType, inputs, attributes: Readonly<Record<string, AttributeInput>> = {}) =>
        builder.op(opType, inputs, { name: `grad/${node.name || node.outputs[0]}/${opType}`, attributes }),
    };
    for (const [input, gradient] of rule.backward(context)) {
      const value = node.inputs[input]!;
      if (needs(input)) accumulate(value, unbroadcast(context, gradient, value));
    }
  }

  const named = new Map<string, string>();
  for (const parameter of parameters) {
    const gradient = gradients.get(parameter);
    if (gradient === undefined) {
      throw new GraftError('NO_GRADIENT_RULE', `The loss "${loss}" does not depend on "${parameter}".`);
    }
    named.set(parameter, builder.output(gradient, dtype, shapeOf(parameter), `grad/${parameter}`));
  }
  return {
    graph: {
      ...graph,
      nodes: [...graph.nodes, ...builder.nodes],
      initializers: new Map([...graph.initializers, ...builder.initializers]),
      outputs: [...graph.outputs, ...builder.outputs],
    },
    gradients: named,
  };
}

/** A gradient of ones. The loss minus itself plus one keeps a free batch free; a scalar is a constant. */
function seed(builder: GraphBuilder, loss: string, shape: readonly number[]): string {
  const one = builder.scalar(1);
  if (shape.length === 0) return one;
  if (sizeOf(shape) === 1) return builder.op('Reshape', [one, builder.ints(shape)], { name: `grad/${loss}` });
  return builder.op('Expand', [one, builder.op('Shape', [loss])], { name: `grad/${loss}` });
}

/** Nodes, in order, that lie on a differentiable way from a parameter to the loss, and the values on it. */
function nodesBetween(
  graph: Graph,
  parameters: readonly string[],
  loss: string,
  ruleOf: ReadonlyMap<string, GradientRule>,
): { readonly nodes: readonly Node[]; readonly values: ReadonlySet<string> } {
  const edges = (node: Node): readonly string[] => {
    const rule = ruleOf.get(node.opType);
    return rule ? node.inputs.filter((_, i) => rule.differentiable.includes(i)) : node.inputs;
  };
  const values = new Set(parameters);
  const dependent = graph.nodes.filter((node) => {
    if (!edges(node).some((input) => values.has(input))) return false;
    for (const output of node.outputs) values.add(output);
    return true;
  });
  const leading = new Set([loss]);
  const nodes: Node[] = [];
  for (const node of dependent.toReversed()) {
    if (!node.outputs.some((output) => leading.has(output))) continue;
    for (const input of edges(node)) leading.add(input);
    nodes.push(node);
  }
  return { nodes: nodes.reverse(), values };
}

function refuseWithoutRule(nodes: readonly Node[], ruleOf: ReadonlyMap<string, GradientRule>): void {
  const missing = nodes.filter(({ opType }) => !ruleOf.has(opType));
  if (missing.length === 0) return;
  const lines = missing.map(({ opType, name, outputs }) => `  ${opType} "${name || outputs[0]}"`);
  throw new GraftError(
    'NO_GRADIENT_RULE',
    [
      `${missing.length} ${missing.length === 1 ? 'node' : 'nodes'} between the parameters and the loss have no gradient rule:`,
      ...lines,
      'Begin at a later layer, or add rules in src/autodiff/rules.',
    ].join('\n'),
  );
}

function namesOf(graph: Graph): Set<string> {
  const names = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  for (const name of graph.initializers.keys()) names.add(name);
  for (const { outputs, name } of graph.nodes) {
    names.add(name);
    for (const output of outputs) names.add(output);
  }
  return names;
}
