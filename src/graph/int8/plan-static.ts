/**
 * Which values of a graph become 8-bit integers whose ranges are known beforehand.
 *
 * - What convolutions and products with constant matrices take is quantised, and what convolutions give (after their Relu or Clip),
 *   as there are integer kernels of this form: ONNX Runtime's QLinearConv, MatMulIntegerToFloat.
 * - Between them stay integers where all that an operator takes are such already and what it gives is wanted as such.
 * - Everything else, the features too, is computed in float32.
 */
import { intAttribute, stringAttribute } from '../../onnx/attributes.js';
import { indexGraph } from '../../onnx/graph-index.js';
import type { Graph, Node } from '../../onnx/ir.js';
import { sizeOf } from '../../tensor/shape.js';
import type { ValueFacts } from '../value-facts.js';
import { type MatrixProduct, matrixProduct } from './matrix-product.js';

/** They give numbers that they take: one scale is enough for both. */
const passing = new Set(
  `MaxPool Reshape Transpose Flatten Squeeze Unsqueeze Slice Split Gather DepthToSpace SpaceToDepth Resize`.split(
    ' ',
  ),
);
const computing = new Set(
  'Add Mul Concat AveragePool GlobalAveragePool Sigmoid LeakyRelu Relu Clip'.split(' '),
);

export interface StaticPlan {
  readonly convolutions: ReadonlySet<Node>;
  readonly products: ReadonlyMap<Node, MatrixProduct>;
  /** Nodes between these that compute with integers. */
  readonly between: ReadonlySet<Node>;
  /** Values that become integers, each with the value whose range is its own. */
  readonly rangeOf: ReadonlyMap<string, string>;
  /** Of these, those that are read as integers by everything, so that they need not be there in float32. */
  readonly integers: ReadonlySet<string>;
}

export function planStatic(graph: Graph, facts: ValueFacts): StaticPlan {
  const convolutions = new Set<Node>();
  const products = new Map<Node, MatrixProduct>();
  /** Nodes whose rounded results ONNX Runtime computes at once, each with the value that is rounded. */
  const ends = new Map<Node, string>();
  const able = new Set<Node>();
  const integers = new Set<string>();
  const rangeOf = new Map<string, string>();
  const sourceOf = (value: string): string => rangeOf.get(value) ?? value;
  const index = indexGraph(graph);
  const given = new Set(graph.outputs.map(({ name }) => name));
  const activations = new Set<Node>();
  const afterActivation = (value: string): string => {
    const [user, ...others] = index.users(value);
    if (!user || others.length > 0 || given.has(value) || !isActivation(user, value)) return value;
    activations.add(user);
    return user.outputs[0]!;
  };
  for (const row of graph.nodes) {
    if (activations.has(row) || row.domain !== '') continue;
    const [output = ''] = row.outputs;
    if (isConvolution(row, facts)) {
      convolutions.add(row);
      ends.set(row, afterActivation(output));
      integers.add(ends.get(row)!);
      continue;
    }
    const product = matrixProduct(row, facts);
    if (product) {
      if (isWithKernel(product, facts)) products.set(row, product);
      continue;
    }
    const isPassing = passing.has(row.opType) && passesNumbers(row);
    const taken = isPassing ? row.inputs.slice(0, 1) : row.inputs.filter((name) => name !== '');
    const data = row.opType === 'Clip' ? taken.slice(0, 1) : taken;
    if (!(isPassing || computing.has(row.opType)) || data.length === 0) continue;
    if (!data.every((name) => integers.has(name))) continue;
    able.add(row);
    const end = row.opType === 'Add' ? afterActivation(output) : output;
    ends.set(row, end);
    for (const name of isPassing ? row.outputs : [end]) {
      integers.add(name);
      if (isPassing) rangeOf.set(name, sourceOf(data[0]!));
    }
  }
  const wanted = new Set<string>();
  const between = new Set<Node>();
  for (const row of graph.nodes.toReversed()) {
    if (convolutions.has(row)) wanted.add(row.inputs[0]!);
    const product = products.get(row);
    if (product) wanted.add(product.data);
    if (!able.has(row)) continue;
    const results = passing.has(row.opType) ? row.outputs : [ends.get(row)!];
    if (!results.some((name) => wanted.has(name))) continue;
    between.add(row);
    for (const name of row.inputs) if (integers.has(name)) wanted.add(name);
    for (const name of results) wanted.add(name);
  }
  for (const row of convolutions) if (!given.has(ends.get(row)!)) wanted.add(ends.get(row)!);
  return {
    convolutions,
    products,
    between,
    rangeOf: new Map([...wanted].map((name) => [name, sourceOf(name)])),
    integers: new Set([...integers].filter((name) => wanted.has(name) && !given.has(name))),
  };
}

/**
 * Of float32 with constant filters. Several filters for each single channel are left out: ONNX Runtime's integers take eight times as long
 * for these as float32 does (the scattering network).
 */
function isConvolution(row: Node, { constantOf }: ValueFacts): boolean {
  if (row.opType !== 'Conv' || row.domain !== '') return false;
  const [, name, bias = ''] = row.inputs;
  const weights = constantOf(name);
  if (weights?.dtype !== 'float32' || sizeOf(weights.dims) === 0) return false;
  const group = intAttribute(row, 'group', 1);
  if (group > 1 && weights.dims[1] === 1 && weights.dims[0] !== group) return false;
  return bias === '' || constantOf(bias)?.dtype === 'float32';
}

/** A single matrix, and if a bias, then a number for each column. */
function isWithKernel({ weights, bias }: MatrixProduct, { constantOf }: ValueFacts): boolean {
  if (weights.dims.length !== 2 || bias === undefined) return weights.dims.length === 2;
  const constant = constantOf(bias);
  return constant?.dtype === 'float32' && String(constant.dims) === String(weights.dims.slice(1));
}

function isActivation({ opType, domain, inputs }: Node, value: string): boolean {
  return domain === '' && (opType === 'Relu' || opType === 'Clip') && inputs[0] === value;
}

function passesNumbers(row: Node): boolean {
  if (row.outputs.length > 1 && row.opType === 'MaxPool') return false;
  return row.opType !== 'Resize' || stringAttribute(row, 'mode', 'nearest') === 'nearest';
}
