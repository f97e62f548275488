/** How gradients flow back through an operator: rules are data given to the driver. */
import type { AttributeInput } from '../onnx/attributes.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Node } from '../onnx/ir.js';
import type { DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Composition } from './compositions/index.js';

export interface GradientRule {
  readonly opTypes: readonly string[];
  /** '' (ai.onnx) unless told. */
  readonly domain?: string;
  /**
   * Inputs that a gradient may reach; the rest (indices, shapes, statistics) are stop edges. A function decides by the
   * node's attributes. An empty list: the operator computes data on which no gradient depends.
   */
  readonly differentiable: readonly number[] | 'all' | ((node: Node) => readonly number[]);
  /** Outputs whose gradients `backward` uses. Default: the first; a gradient that arrives at another is refused. */
  readonly differentiableOutputs?: readonly number[] | 'all';
  /** The inputs are broadcast to the shape of the first output, and the driver sums their gradients back. */
  readonly broadcasts?: boolean;
  /** Appends nodes and returns the gradient of each input that `needs(i)`. */
  readonly backward: (at: RuleContext) => ReadonlyMap<number, string>;
}

export interface RuleContext {
  readonly node: Node;
  /** Names of the forward inputs and outputs. */
  readonly x: readonly string[];
  readonly y: readonly string[];
  /** Gradient of each output; undefined where none arrives. */
  readonly dY: readonly (string | undefined)[];
  readonly builder: GraphBuilder;
  /** Operator set version of ai.onnx. */
  readonly opset: number;
  /** Appends a node named after the source node and returns its output. */
  op(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeInput>>,
  ): string;
  /** The same for a node of several outputs. */
  ops(
    opType: string,
    inputs: readonly string[],
    outputCount: number,
    attributes?: Readonly<Record<string, AttributeInput>>,
  ): string[];
  needs(input: number): boolean;
  /** Name of a forward output (MaxPool's indices, LayerNormalization's mean), which is added where it was left out. */
  forwardOutput(index: number): string;
  /** A forward input that the graph holds as a constant; undefined where it is computed, fed or absent. */
  constantOf(value: string | undefined): Tensor | undefined;
  /** Real shape in the probe run. Axes of another size at run time may be free: prefer `shape(value)` for sizes. */
  shapeOf(value: string): readonly number[];
  /** A 1-D int64 value: the shape that `value` has at run time. */
  shape(value: string): string;
  /** Float type of a value on the gradient's path. */
  dtypeOf(value: string): DType;
  /** A scalar of the type of the node's output. */
  scalar(value: number): string;
  /** Writes the node again with plain operators and gives the gradients of its inputs through those. */
  through(composition: Composition): ReadonlyMap<number, string>;
}
