/** How gradients flow back through an operator: rules are data given to the driver. */
import type { AttributeInput } from '../onnx/attributes.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Node } from '../onnx/ir.js';
import type { Tensor } from '../tensor/tensor.js';

export interface GradientRule {
  readonly opTypes: readonly string[];
  /** Inputs that a gradient may reach; the rest (indices, shapes, statistics) are stop edges. */
  readonly differentiable: readonly number[];
  /** Appends nodes and returns the gradient of each input that `needs(i)`; the driver undoes broadcasting. */
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
  /** Appends a node named after the source node and returns its output. */
  op(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeInput>>,
  ): string;
  needs(input: number): boolean;
  /** Name of a forward output (MaxPool's indices, LayerNormalization's mean), which is added where it was left out. */
  forwardOutput(index: number): string;
  /** A forward input that the graph holds as a constant; undefined where it is computed, fed or absent. */
  constantOf(value: string | undefined): Tensor | undefined;
  shapeOf(value: string): readonly number[];
}
