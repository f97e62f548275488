/** How a node of an operator whose meaning changed is written for the newer operator set. */
import type { AttributeInput } from '../../onnx/attributes.js';
import type { Node } from '../../onnx/ir.js';
import type { DType } from '../../tensor/dtype.js';
import type { Tensor } from '../../tensor/tensor.js';

/** What a rule may know of the graph around the node, and how it adds to it. */
export interface Conversion {
  /** The version that the whole model is raised to. */
  readonly target: number;
  /** The element type, where the model tells it or the operators before the value let it be known. */
  dtypeOf(value: string): DType | undefined;
  /** The number of axes, likewise. */
  rankOf(value: string): number | undefined;
  /** The elements of a constant. */
  constantOf(value: string): Tensor | undefined;
  /** Whether anything reads the value, or it is an output. */
  isUsed(value: string): boolean;
  /** A new constant, named after the node: `<first output>/<part>`. */
  constant(part: string, tensor: Tensor): string;
  /** A new node before the converted one; returns its output. */
  op(
    part: string,
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeInput>>,
  ): string;
}

/** The node that computes the old one's outputs, or, as a string, why there is none. */
export type Convert = (node: Node, conversion: Conversion) => Node | string;

export interface ConversionRule {
  /** The operator set version that changed the operator; the rule takes it there from the version before. */
  readonly version: number;
  readonly convert: Convert;
}

export type RuleTable = Readonly<Record<string, readonly ConversionRule[]>>;

/** The node without some of its attributes. */
export function withoutAttributes(node: Node, ...names: readonly string[]): Node {
  const attributes = new Map([...node.attributes].filter(([name]) => !names.includes(name)));
  return { ...node, attributes };
}
