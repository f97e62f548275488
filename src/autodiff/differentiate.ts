/** Reverse-mode differentiation: adds the backward pass of a graph as plain ONNX nodes. */
import { GraftError, invalidArgument } from '../errors.js';
import { nearNames } from '../graph/near-names.js';
import { intAttribute } from '../onnx/attributes.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Dimension, Graph, Model, Node } from '../onnx/ir.js';
import { type DType, dtypeFromCode } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import { createConstantReader } from './constant-values.js';
import { nameGradients } from './name-gradients.js';
import type { GradientRule, RuleContext } from './gradient-rule.js';
import {
  differentiableIndices,
  findGradientPath,
  type GradientPath,
  refuseWithoutRule,
  tabulateRules,
} from './reachability.js';
import { rules as allRules } from './rules/index.js';
import { floatScalar } from './float-scalar.js';
import { unbroadcast } from './unbroadcast.js';

export interface DifferentiateOptions {
  /** A value; where it is not a scalar its sum is differentiated. */
  readonly loss: string;
  /** Values, mostly inputs or initializers, whose gradients are wanted. */
  readonly parameters: readonly string[];
  /**
   * Real shapes of all values from a probe run (`probeShapes`). Sizes may differ at run time along free axes, but an
   * axis that was 1 must stay 1: probe with a batch of 2 where it is free.
   */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** A value of the graph that is the gradient of `loss`, of its shape; ones unless named. */
  readonly seed?: string;
  /** Operator set version of a bare graph; a model knows its own. Default 17. */
  readonly opset?: number;
  readonly rules?: readonly GradientRule[];
}

export interface Differentiated {
  /** The graph with the backward pass and an output `grad/<parameter>` for each parameter. */
  readonly graph: Graph;
  /** Name of each parameter's gradient. */
  readonly gradients: ReadonlyMap<string, string>;
  /** Name of the gradient of every value between the parameters and the loss. */
  readonly gradientOf: ReadonlyMap<string, string>;
}

/**
 * @throws GraftError NO_GRADIENT_RULE once, listing every operator in the way that has no rule and the layer from
 * which on there is none; UNKNOWN_VALUE for a name that the graph does not hold.
 * @example
 * const { graph, gradients } = differentiate(model, { loss: 'loss', parameters: ['w'], shapes: await probeShapes(model) });
 * await writeModel({ ...model, graph }, 'with-gradients.onnx');
 */
export function differentiate(source: Graph | Model, options: DifferentiateOptions): Differentiated {
  const { loss, parameters, shapes, rules = allRules } = options;
  const graph = 'graph' in source ? source.graph : source;
  const opset = ('graph' in source ? source.opsets.get('') : undefined) ?? options.opset ?? 17;
  const ruleOf = tabulateRules(rules);
  const names = namesOf(graph);
  for (const name of [loss, ...parameters]) {
    if (!names.values.has(name)) {
      const near = nearNames(name, names.values).join(', ');
      throw new GraftError('UNKNOWN_VALUE', `The graph holds no value "${name}". Near it: ${near}.`);
    }
  }
  const path = findGradientPath(graph, parameters, [loss], ruleOf);
  refuseWithoutRule(graph, path.nodes, loss, ruleOf);
  refuseUnreached(path, parameters, loss);

  const builder = new GraphBuilder({ opset, taken: names.all });
  const outputNames = new Map(parameters.map((name) => [name, builder.freshName(`grad/${name}`)]));
  const dtypes = floatTypes(graph, path);
  const constantOf = createConstantReader(graph);
  const shapeOf = (value: string): readonly number[] => {
    const shape = shapes.get(value) ?? graph.initializers.get(value)?.dims;
    if (!shape) throw invalidArgument('shapes', `a shape of value "${value}"`, undefined);
    return shape;
  };
  const gradients = new Map<string, string>();
  const accumulate = (value: string, gradient: string): void => {
    const earlier = gradients.get(value);
    gradients.set(
      value,
      earlier === undefined
        ? gradient
        : builder.op('Add', [earlier, gradient], { name: `grad/${value}/sum` }),
    );
  };
  const extended = new Map<Node, string[]>();
  const runtimeShapes = new Map<string, string>();

  accumulate(loss, options.seed ?? seed(builder, loss, shapeOf(loss), dtypes.get(loss) ?? 'float32'));
  for (const node of path.nodes.toReversed()) {
    const dY = node.outputs.map((output) => gradients.get(output));
    if (dY.every((gradient) => gradient === undefined)) continue;
    const rule = ruleOf(node)!;
    const indices = differentiableIndices(node, rule);
    const needs = (input: number): boolean =>
      indices.includes(input) && path.values.has(node.inputs[input] ?? '');
    const prefix = `grad/${node.name || node.outputs[0]}`;
    const dtype = dtypes.get(node.outputs.find((output) => path.values.has(output)) ?? '') ?? 'float32';
    const context: RuleContext = {
      node,
      x: node.inputs,
      y: node.outputs,
      dY,
      builder,
      opset,
      dtypeOf: (value) => dtypes.get(value) ?? 'float32',
      needs,
      shapeOf,
      constantOf,
      scalar: (value) => floatScalar(builder, value, dtype),
      shape(value) {
        let name = runtimeShapes.get(value);
        if (name === undefined) {
          name = builder.op('Shape', [value], { name: `${value}/shape` });
          runtimeShapes.set(value, name);
        }
        return name;
      },
      forwardOutput(index) {
        const outputs = extended.get(node) ?? [...node.outputs];
        while (outputs.length <= index) outputs.push('');
        outputs[index] ||= builder.freshName(`${outputs[0]}/output_${index}`);
        extended.set(node, outputs);
        return outputs[index];
      },
      op: (opType, inputs, attributes = {}) =>
        builder.op(opType, inputs, { name: `${prefix}/${opType}`, attributes }),
      ops: (opType, inputs, outputCount, attributes = {}) =>
        builder.ops(opType, inputs, outputCount, { name: `${prefix}/${opType}`, attributes }),
    };
    for (const [input, gradient] of rule.backward(context)) {
      if (!needs(input)) continue;
      const value = node.inputs[input]!;
      accumulate(value, rule.broadcasts ? unbroadcast(context, gradient, value) : gradient);
    }
  }

  const gradientOf = nameGradients(builder, gradients, outputNames);
  for (const [parameter, output] of outputNames) {
    builder.outputs.push({
      name: output,
      type: {
        kind: 'tensor',
        dtype: dtypes.get(parameter) ?? 'float32',
        shape: declaredShape(graph, parameter) ?? shapeOf(parameter).map(() => null),
      },
      docString: '',
      metadata: new Map(),
    });
  }
  return {
    graph: {
      ...graph,
      nodes: [
        ...graph.nodes.map((node) => {
          const outputs = extended.get(node);
          return outputs ? { ...node, outputs } : node;
        }),
        ...builder.nodes,
      ],
      initializers: new Map([...graph.initializers, ...builder.initializers]),
      outputs: [...graph.outputs, ...builder.outputs],
    },
    gradients: outputNames,
    gradientOf,
  };
}

/** A gradient of ones in the shape of the loss; for a scalar a constant. */
function seed(builder: GraphBuilder, loss: string, shape: readonly number[], dtype: DType): string {
  const one = floatScalar(builder, 1, dtype);
  if (shape.length === 0) return one;
  if (sizeOf(shape) === 1)
    return builder.op('Reshape', [one, builder.ints(shape)], { name: `grad/${loss}/one` });
  // Before Expand (opset 8), adding zeros broadcasts.
  if (builder.opset < 8) {
    const zeros = builder.op('Mul', [loss, floatScalar(builder, 0, dtype)], { name: `grad/${loss}/zeros` });
    return builder.op('Add', [zeros, one], { name: `grad/${loss}/ones` });
  }
  return builder.op('Expand', [one, builder.op('Shape', [loss], { name: `grad/${loss}/shape` })], {
    name: `grad/${loss}/ones`,
  });
}

/** Float type of each value on the path: that of the parameter it comes from, up to a Cast. */
function floatTypes(graph: Graph, path: GradientPath): Map<string, DType> {
  const dtypes = new Map<string, DType>();
  for (const { name, type } of [...graph.inputs, ...graph.valueInfo.values(), ...graph.outputs])
    if (type?.kind === 'tensor') dtypes.set(name, type.dtype);
  for (const [name, { dtype }] of graph.initializers) dtypes.set(name, dtype);
  for (const node of path.nodes) {
    const from = node.inputs.find((input) => path.values.has(input)) ?? '';
    const to = node.opType === 'Cast' ? dtypeFromCode(intAttribute(node, 'to', 1))?.dtype : undefined;
    const dtype =
      to ?? (node.opType === 'CastLike' ? dtypes.get(node.inputs[1]!) : dtypes.get(from)) ?? 'float32';
    for (const output of node.outputs) if (path.values.has(output)) dtypes.set(output, dtype);
  }
  return dtypes;
}

function refuseUnreached(path: GradientPath, parameters: readonly string[], loss: string): void {
  const unreached = parameters.filter((name) => !path.values.has(name));
  if (unreached.length === 0) return;
  throw new GraftError(
    'NO_GRADIENT_RULE',
    `No gradient of the loss "${loss}" reaches ${unreached.map((name) => `"${name}"`).join(', ')}: ` +
      'the loss does not depend on it, or only through operators whose result is piecewise constant or data (an index, a shape, a frozen statistic).',
  );
}

function declaredShape(graph: Graph, value: string): readonly Dimension[] | undefined {
  const initializer = graph.initializers.get(value);
  if (initializer) return initializer.dims;
  const type = (graph.inputs.find(({ name }) => name === value) ?? graph.valueInfo.get(value))?.type;
  return type?.kind === 'tensor' ? type.shape : undefined;
}

function namesOf(graph: Graph): { readonly values: Set<string>; readonly all: Set<string> } {
  const values = new Set(graph.inputs.map(({ name }) => name));
  for (const name of graph.initializers.keys()) values.add(name);
  for (const { outputs } of graph.nodes) for (const output of outputs) if (output !== '') values.add(output);
  const all = new Set(values);
  for (const { name } of [...graph.nodes, ...graph.outputs]) all.add(name);
  for (const { values: sparse } of graph.sparseInitializers) all.add(sparse.name);
  return { values, all };
}
