/** Products of data with a constant matrix, MatMul and Gemm alike. */
import { floatAttribute, intAttribute } from '../../onnx/attributes.js';
import type { Node } from '../../onnx/ir.js';
import { sizeOf } from '../../tensor/shape.js';
import { float32, type Tensor } from '../../tensor/tensor.js';
import type { ValueFacts } from '../value-facts.js';
import { type Channels, multipliedMost } from './round-weights.js';

/** data · weights + bias */
export interface MatrixProduct {
  readonly data: string;
  /** Name of the weights as the graph holds them; equal names and `isTransposed` mean equal weights. */
  readonly name: string;
  /** [K, N], or several of them [count, K, N]. */
  readonly weights: Tensor;
  readonly bias?: string | undefined;
}

/** Smaller matrices gain nothing. */
const fewestWeights = 1024;

/** The node as a product of float32; undefined where it is none, or a small one. */
export function matrixProduct(node: Node, { constantOf }: ValueFacts): MatrixProduct | undefined {
  const { opType, domain, inputs } = node;
  const [data = '', name = '', bias = ''] = inputs;
  if (domain !== '' || (opType !== 'MatMul' && opType !== 'Gemm') || constantOf(data)) return undefined;
  const weights = constantOf(name);
  if (weights?.dtype !== 'float32' || sizeOf(weights.dims) < fewestWeights) return undefined;
  if (opType === 'MatMul')
    return weights.dims.length === 2 || weights.dims.length === 3 ? { data, name, weights } : undefined;
  const isPlain =
    floatAttribute(node, 'alpha', 1) === 1 &&
    intAttribute(node, 'transA', 0) === 0 &&
    (bias === '' || floatAttribute(node, 'beta', 1) === 1);
  if (!isPlain) return undefined;
  return {
    data,
    name: intAttribute(node, 'transB', 0) === 0 ? name : `${name}/transposed`,
    weights: intAttribute(node, 'transB', 0) === 0 ? weights : transposed(weights),
    bias: bias === '' ? undefined : bias,
  };
}

/** A scale for each column of [K, N] or [count, K, N]. */
export function channelsOfMatrix({ dims }: Tensor): Channels {
  const [columns, rows, count = 1] = [...dims].reverse() as [number, number, number?];
  return { view: [count, rows, columns], most: multipliedMost };
}

function transposed({ dims, data }: Tensor): Tensor {
  const [rows, columns] = dims as [number, number];
  const turned = new Float32Array(data.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = data[row * columns + column] as number;
  return float32([columns, rows], turned);
}
