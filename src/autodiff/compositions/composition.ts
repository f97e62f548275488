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
import { type ScanBody, scanNode, type Steps } from './scan.js';

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
  const ops: CompositionContext['ops'] = (opType, inputs, outputShapes, { attributes = {} } = {}) => {
    const outputs = outputShapes.map(() => builder.freshName(`${prefix}/${opType}`));
    nodes.push(
      makeNode({
        opType,
        name: outputs[0]!,
        inputs,
        outputs,
        attributes: new Map(Object.entries(attributes).map(([key, value]) => [key, toAttribute(value)])),
      }),
    );
    outputs.forEach((output, i) => shapes.set(output, outputShapes[i]!));
    return outputs;
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
    scan({ states, inputs, isBackwards, step }) {
      const name = (like: string, dims: readonly number[]): string => {
        const fresh = builder.freshName(`${prefix}/${like}`);
        shapes.set(fresh, dims);
        return fresh;
      };
      const stateNames = states.map((state) => name('state', shape(state)));
      const rows = inputs.map((input) => name('row', shape(input).slice(1)));
      const outside = nodes;
      nodes = [];
      const done = step(stateNames, rows);
      // A body may not show one value twice, nor what it was given.
      const [nextStates, outputs, entering] = [done.states, done.outputs, stateNames].map((values) =>
        values.map((value) => ops('Identity', [value], [shape(value)])[0]!),
      ) as [string[], string[], string[]];
      const body = nodes;
      nodes = outside;
      const length = shape(inputs[0]!)[0]!;
      const sequence = (value: string): string => name('sequence', [length, ...shape(value)]);
      const shown = {
        states: nextStates.map((value) => name('last', shape(value))),
        outputs: outputs.map(sequence),
        entering: entering.map(sequence),
      };
      const node = scanNode(body, {
        states: stateNames,
        rows,
        results: [...nextStates, ...outputs, ...entering],
        inputs: [...states, ...inputs],
        outputs: [...shown.states, ...shown.outputs, ...shown.entering],
        isBackwards,
      });
      nodes.push(node);
      scans.push({ node, nodes: body, states: stateNames, rows, nextStates, outputs, entering: shown.entering, isBackwards }); // prettier-ignore
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
