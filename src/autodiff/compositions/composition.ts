/**
 * How a fused operator is written with plain ones. Its gradient is then theirs, computed from them again where the
 * fused kernel keeps what they would have shown (the weights of an attention); and where it has no float64 kernel, they
 * stand for it.
 */
import { toAttribute, type AttributeInput } from '../../onnx/attributes.js';
import type { GraphBuilder } from '../../onnx/graph-builder.js';
import { node as makeNode, type Node } from '../../onnx/ir.js';
import { GraftError, invalidArgument } from '../../errors.js';
import type { DType } from '../../tensor/dtype.js';
import { inferShape } from './infer-shape.js';
import { type ScanBody, scanOf, type Steps } from './scan.js';

/** Appends nodes and returns the values that stand for the node's outputs; '' for one that it does not give. */
export type Composition = (at: CompositionContext) => string | readonly string[];

export interface CompositionContext {
  readonly node: Node;
  /** Names of the inputs. */
  readonly x: readonly string[];
  /** Operator set version of ai.onnx. */
  readonly opset: number;
  /** Shape in the probe run, also of what was appended here. The batch may be another at run time. */
  shapeOf(value: string): readonly number[];
  /** Element type of an input. */
  dtypeOf(value: string): DType;
  op(opType: string, inputs: readonly string[], options?: StepOptions): string;
  ops(opType: string, inputs: readonly string[], shapes: Shapes, options?: StepOptions): string[];
  /** Steps over a sequence: the last states and the sequences of outputs. */
  scan(steps: Steps): { readonly states: readonly string[]; readonly outputs: readonly string[] };
  /** A 1-D int64 constant. */
  ints(values: readonly number[]): string;
  /** A constant scalar of the node's float type. */
  scalar(value: number): string;
  /** @throws GraftError NO_GRADIENT_RULE: the node has `what`, for which there is no composition. */
  refuse(what: string): never;
}

type Shapes = readonly (readonly number[])[];

export interface StepOptions {
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
  /** Of the output, for operators whose shape is not worked out here. */
  readonly shape?: readonly number[];
}

export interface Expansion {
  readonly nodes: readonly Node[];
  /** What stands for the node's outputs. */
  readonly outputs: readonly string[];
  /** Of the values that the nodes give. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly scans: readonly ScanBody[];
}

/** @param scalar - makes a constant of the node's float type */
export function expand(
  composition: Composition,
  node: Node,
  {
    builder,
    prefix,
    opset,
    shapeOf,
    dtypeOf,
    scalar,
  }: {
    readonly builder: GraphBuilder;
    readonly prefix: string;
    readonly opset: number;
    readonly shapeOf: (value: string) => readonly number[];
    readonly dtypeOf: (value: string) => DType;
    readonly scalar: (value: number) => string;
  },
): Expansion {
  let nodes: Node[] = [];
  const scans: ScanBody[] = [];
  const shapes = new Map<string, readonly number[]>();
  /** Constants that were made here, for Reshape. */
  const lists = new Map<string, readonly number[]>();
  const shape = (value: string): readonly number[] => {
    const list = lists.get(value);
    return list ? [list.length] : (shapes.get(value) ?? shapeOf(value));
  };
  const name = (like: string, dims: readonly number[]): string => {
    const fresh = builder.freshName(`${prefix}/${like}`);
    shapes.set(fresh, dims);
    return fresh;
  };
  const ops: CompositionContext['ops'] = (opType, inputs, outputShapes, { attributes = {} } = {}) => {
    const outputs = outputShapes.map((dims) => name(opType, dims));
    nodes.push(
      makeNode({
        opType,
        name: outputs[0]!,
        inputs,
        outputs,
        attributes: new Map(Object.entries(attributes).map(([key, value]) => [key, toAttribute(value)])),
      }),
    );
    return outputs;
  };
  const copy = (value: string): string => ops('Identity', [value], [shape(value)])[0]!;
  const record = (write: () => void): readonly Node[] => {
    const outside = nodes;
    nodes = [];
    write();
    const written = nodes;
    nodes = outside;
    return written;
  };
  const result = composition({
    node,
    x: node.inputs,
    opset,
    shapeOf: shape,
    dtypeOf,
    ops,
    op(opType, inputs, options = {}) {
      const given = options.shape ?? inferShape(opType, inputs.map((input) => (input ? shape(input) : [])), { attributes: options.attributes ?? {}, list: lists.get(inputs[1] ?? '') }); // prettier-ignore
      if (!given) throw invalidArgument('shape', `the shape that ${opType} gives`, undefined);
      return ops(opType, inputs, [given], options)[0]!;
    },
    scan(steps) {
      const { body, ...shown } = scanOf(steps, { name, shape, copy, record });
      nodes.push(body.node);
      scans.push(body);
      return shown;
    },
    ints(values) {
      const name = builder.ints(values);
      lists.set(name, values);
      return name;
    },
    scalar(value) {
      const name = scalar(value);
      shapes.set(name, []);
      return name;
    },
    refuse(what) {
      throw new GraftError(
        'NO_GRADIENT_RULE',
        `${node.opType} "${node.name || node.outputs[0]}" has ${what}, for which there is no gradient rule.`,
      );
    },
  });
  return { nodes, outputs: typeof result === 'string' ? [result] : result, shapes, scans };
}
