/** How an operator without a float64 kernel is written with operators that have one. */
import type { AttributeInput } from '../../onnx/attributes.js';
import type { GraphBuilder } from '../../onnx/graph-builder.js';
import type { Node } from '../../onnx/ir.js';
import type { Tensor } from '../../tensor/tensor.js';

/** Appends nodes and returns the values that stand for the node's outputs, of the first ones or of the first alone. */
export type Float64Form = (at: FormContext) => string | readonly string[];

export interface FormContext {
  readonly node: Node;
  /** Names of the inputs, float64 already. */
  readonly x: readonly string[];
  readonly builder: GraphBuilder;
  /** As the model holds it, in its own type; undefined where it is computed, fed or absent. */
  constantOf(value: string | undefined): Tensor | undefined;
  /** Shape in the probe run. */
  shapeOf(value: string): readonly number[];
  op(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeInput>>,
  ): string;
  /** A float64 constant. */
  tensor(dims: readonly number[], values: ArrayLike<number>): string;
}
