/** Reverse-mode differentiation: adds the backward pass of a graph as plain ONNX nodes. */
import { GraftError } from '../errors.js';
import { namesOf } from '../graph/names-of.js';
import { valueDtype } from '../graph/value-dtype.js';
import { factsOf } from '../graph/value-facts.js';
import { intAttribute } from '../onnx/attributes.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Dimension, Graph, Model, Node } from '../onnx/ir.js';
import { type DType, dtypeFromCode } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import { chooseParameters } from './choose-parameters.js';
import { nameGradients } from './name-gradients.js';
import type { GradientRule } from './gradient-rule.js';
import { findGradientPath, type GradientPath, refuse, tabulateRules } from './reachability.js';
import { ReversePass } from './reverse-pass.js';
import { rules as allRules } from './rules/index.js';
import { floatScalar } from './float-scalar.js';

export interface DifferentiateOptions {
  /** A value; where it is not a scalar its sum is differentiated. */
  readonly loss: string;
  /** Values, mostly inputs or initializers, whose gradients are wanted; 'all': every float initializer that has one. */
  readonly parameters: 'all' | readonly string[];
  /**
   * Real shapes of all values from a probe run (`probeShapes`), a Map or a plain object. Sizes may differ at run time
   * along free axes, but an axis that was 1 must stay 1: probe with a batch of 2 where it is free. What is left out is
   * taken as the graph declares it, where it declares every size.
   */
  readonly shapes?: Shapes;
  /** A value of the graph that is the gradient of `loss`, of its shape; ones unless named. */
  readonly seed?: string;
  /** Operator set version of a bare graph; a model knows its own. Default 17. */
  readonly opset?: number;
  readonly rules?: readonly GradientRule[];
}

/** Shapes by value. */
export type Shapes =
  ReadonlyMap<string, readonly number[]> | Readonly<Record<string, readonly number[] | undefined>>;

export interface Differentiated {
  /** The graph with the backward pass and an output `grad/<parameter>` for each parameter. */
  readonly graph: Graph;
  /** Name of each parameter's gradient. */
  readonly gradients: ReadonlyMap<string, string>;
  /** Name of the gradient of every value between the parameters and the loss. */
  readonly gradientOf: ReadonlyMap<string, string>;
}

/**
 * Adds the backward pass of `loss` to a model, or to a bare graph.
 * @throws GraftError NO_GRADIENT_RULE once, listing every operator in the way that has no rule and the layer from
 * which on there is none; UNKNOWN_VALUE for a name that the graph does not hold; INVALID_ARGUMENT for a shape that is
 * neither given nor declared. `addGradients` finds the shapes by itself.
 * @example
 * const { model: withGradients, gradients } = differentiate(model, {
 *   loss: 'loss', parameters: ['w'], shapes: await probeShapes(model) });
 * await writeModel(withGradients, 'with-gradients.onnx'); // its output gradients.get('w') is 'grad/w'
 */
export function differentiate(
  source: Model,
  options: DifferentiateOptions,
): Differentiated & { readonly model: Model };
export function differentiate(source: Graph | Model, options: DifferentiateOptions): Differentiated;
export function differentiate(
  source: Graph | Model,
  options: DifferentiateOptions,
): Differentiated & { readonly model?: Model } {
  const { loss, shapes, rules = allRules } = options;
  const model = 'graph' in source ? source : undefined;
  const graph = 'graph' in source ? source.graph : source;
  const opset = model?.opsets.get('') ?? options.opset ?? 17;
  const ruleOf = tabulateRules(rules);
  const parameters = chooseParameters(graph, options, valuesOf(graph), ruleOf);
  const path = findGradientPath(graph, parameters, [loss], ruleOf);
  // Also what subgraphs hold: a value of theirs may not have the name of one around them.
  const taken = namesOf(graph);
  const builder = new GraphBuilder({ opset, taken: [...taken.values, ...taken.nodes] });
  const outputNames = new Map(parameters.map((name) => [name, builder.freshName(`grad/${name}`)]));
  const dtypes = floatTypes(graph, path);
  const shapeOf = shapeReader(graph, shapes);
  const pass = new ReversePass({
    builder,
    opset,
    ruleOf,
    shapeOf,
    constantOf: factsOf(graph).constantOf,
    dtypeOf: (value) => dtypes.get(value) ?? valueDtype(graph, value),
  });
  const gradients = new Map<string, string>();
  const missing = path.nodes.filter((node) => !ruleOf(node));
  try {
    const lossType = dtypes.get(loss) ?? 'float32';
    gradients.set(loss, options.seed ?? seed(builder, loss, pass.shapeOf(loss), lossType));
    pass.survey(path, gradients);
  } catch (error) {
    // Without all rules the shapes may be no more than the caller could find.
    if (missing.length === 0) throw error;
  }
  const refusals = path.nodes.flatMap((node): [Node, string][] => {
    const reason = ruleOf(node) ? pass.refusals.get(node) : '';
    return reason === undefined ? [] : [[node, reason]];
  });
  if (refusals.length > 0) refuse(graph, new Map(refusals), { loss, ruleOf, parameters });
  refuseUnreached(path, parameters, loss);

  builder.replaceNodes(builder.nodes.map((node) => pass.extend(node)));
  const gradientOf = nameGradients(builder, gradients, outputNames);
  const declared = declaredShapes(graph);
  for (const [parameter, output] of outputNames) {
    builder.outputs.push({
      name: output,
      type: {
        kind: 'tensor',
        dtype: dtypes.get(parameter) ?? 'float32',
        shape: declared.get(parameter) ?? pass.shapeOf(parameter).map(() => null),
      },
      docString: '',
      metadata: new Map(),
    });
  }
  const result: Graph = {
    ...graph,
    nodes: [...graph.nodes.map((node) => pass.extend(node)), ...builder.nodes],
    initializers: new Map([...graph.initializers, ...builder.initializers]),
    outputs: [...graph.outputs, ...builder.outputs],
  };
  return {
    graph: result,
    ...(model && { model: { ...model, graph: result } }),
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

/** The given shapes, and those that the graph declares without a free dimension. */
function shapeReader(graph: Graph, shapes: Shapes = {}): (value: string) => readonly number[] | undefined {
  const declared = new Map<string, readonly number[]>();
  for (const { name, type } of [...graph.inputs, ...graph.valueInfo.values(), ...graph.outputs]) {
    const shape = type?.kind === 'tensor' ? type.shape : undefined;
    if (shape?.every((size) => typeof size === 'number')) declared.set(name, shape);
  }
  const given = isMap(shapes) ? (value: string) => shapes.get(value) : (value: string) => shapes[value];
  return (value) => given(value) ?? graph.initializers.get(value)?.dims ?? declared.get(value);
}

function isMap(shapes: Shapes): shapes is ReadonlyMap<string, readonly number[]> {
  return shapes instanceof Map;
}

function declaredShapes(graph: Graph): ReadonlyMap<string, readonly Dimension[]> {
  const shapes = new Map<string, readonly Dimension[]>();
  for (const { name, type } of [...graph.valueInfo.values(), ...graph.inputs])
    if (type?.kind === 'tensor' && type.shape) shapes.set(name, type.shape);
  for (const [name, { dims }] of graph.initializers) shapes.set(name, dims);
  return shapes;
}

/** What a gradient may be asked for. */
function valuesOf(graph: Graph): Set<string> {
  const values = new Set(graph.inputs.map(({ name }) => name));
  for (const name of graph.initializers.keys()) values.add(name);
  for (const { outputs } of graph.nodes) for (const output of outputs) if (output !== '') values.add(output);
  return values;
}
