/** The walk from the loss back: calls the rule of each node and joins the gradients that arrive at a value. */
import { GraftError, invalidArgument } from '../errors.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { toTensor } from '../onnx/initializer.js';
import type { Node } from '../onnx/ir.js';
import type { DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { type Composition, expand, type ScanBody } from './compositions/index.js';
import { backThroughScan } from './back-through-scan.js';
import { floatScalar } from './float-scalar.js';
import type { RuleContext } from './gradient-rule.js';
import {
  differentiableIndices,
  findGradientPath,
  type GradientPath,
  type RuleTable,
} from './reachability.js';
import { refuseOtherOutputs } from './refuse-other-outputs.js';
import { unbroadcast } from './unbroadcast.js';

export interface ReversePassOptions {
  /** Takes the nodes. */
  readonly builder: GraphBuilder;
  readonly opset: number;
  readonly ruleOf: RuleTable;
  readonly shapeOf: (value: string) => readonly number[] | undefined;
  readonly constantOf: (value: string | undefined) => Tensor | undefined;
  /** Element type of any value, also off the path. */
  readonly dtypeOf: (value: string) => DType;
}

export class ReversePass {
  /** Nodes that a rule has refused, and why. */
  readonly refusals = new Map<Node, string>();
  /** All outputs of nodes of which a rule needs one that was left out. */
  readonly #extended = new Map<Node, string[]>();
  /** Of values in nodes that were written again. */
  readonly #shapes = new Map<string, readonly number[]>();
  readonly #dtypes = new Map<string, DType>();
  #runtimeShapes = new Map<string, string>();
  /** Scans of compositions, whose bodies are known. */
  readonly #scans = new Map<Node, ScanBody>();
  readonly #of: ReversePassOptions;

  constructor(options: ReversePassOptions) {
    this.#of = options;
  }

  /** @param gradients - by value: of the last values at first, of all on the path in the end */
  walk({ nodes, values }: GradientPath, gradients: Map<string, string>): void {
    for (const node of nodes.toReversed()) {
      const dY = node.outputs.map((output) => gradients.get(output));
      if (dY.every((gradient) => gradient === undefined)) continue;
      const scan = this.#scans.get(node);
      if (scan) {
        for (const [value, gradient] of this.#throughScan(scan, gradients, values))
          this.accumulate(gradients, value, gradient);
        continue;
      }
      const rule = this.#of.ruleOf(node);
      if (rule) refuseOtherOutputs(node, rule, dY);
      const indices = rule ? differentiableIndices(node, rule) : [];
      const needs = (input: number): boolean =>
        indices.includes(input) && values.has(node.inputs[input] ?? '');
      const context = this.#contextOf(node, dY, needs, values);
      for (const [input, gradient] of rule?.backward(context) ?? []) {
        if (!needs(input)) continue;
        const value = node.inputs[input]!;
        const fitted = rule?.broadcasts ? unbroadcast(context, gradient, value) : gradient;
        this.accumulate(gradients, value, fitted);
      }
    }
  }

  /** The same; but what a rule refuses is noted, and the walk goes on to find all that stands in the way. */
  survey({ nodes, values }: GradientPath, gradients: Map<string, string>): void {
    for (const node of nodes.toReversed()) {
      try {
        this.walk({ nodes: [node], values }, gradients);
        if (this.#of.ruleOf(node)) continue;
        this.refusals.set(node, '');
      } catch (error) {
        if (!(error instanceof GraftError) || error.code !== 'NO_GRADIENT_RULE') throw error;
        this.refusals.set(node, error.message);
      }
      // Nothing of it will be used; it only keeps the walk going.
      for (const input of node.inputs) if (values.has(input) && !gradients.has(input)) gradients.set(input, input);
    }
  } // prettier-ignore

  accumulate(gradients: Map<string, string>, value: string, gradient: string): void {
    const earlier = gradients.get(value);
    const name = `grad/${value}/sum`;
    gradients.set(
      value,
      earlier === undefined ? gradient : this.#of.builder.op('Add', [earlier, gradient], { name }),
    );
  }

  /** The node with the outputs that rules have asked for. */
  extend(node: Node): Node {
    const outputs = this.#extended.get(node);
    return outputs ? { ...node, outputs } : node;
  }

  /** @throws GraftError where the shape is not known. */
  readonly shapeOf = (value: string): readonly number[] => {
    const { shapeOf, builder } = this.#of;
    const shape = this.#shapes.get(value) ?? shapeOf(value) ?? builder.initializers.get(value)?.dims;
    if (!shape) {
      throw invalidArgument(
        'shapes',
        `a shape of every value between the parameters and the loss, as probeShapes(model, { inputDims }) gives them, but none of "${value}"`,
        undefined,
      );
    }
    return shape;
  };

  #dtypeOf = (value: string): DType => this.#dtypes.get(value) ?? this.#of.dtypeOf(value);

  #contextOf(
    node: Node,
    dY: readonly (string | undefined)[],
    needs: (input: number) => boolean,
    values: ReadonlySet<string>,
  ): RuleContext {
    const { builder, opset, constantOf } = this.#of;
    const prefix = `grad/${node.name || node.outputs[0]}`;
    const dtype = this.#dtypeOf(node.outputs.find((output) => values.has(output)) ?? '');
    return {
      node,
      x: node.inputs,
      y: node.outputs,
      dY,
      builder,
      opset,
      needs,
      dtypeOf: this.#dtypeOf,
      shapeOf: this.shapeOf,
      constantOf: (value) => {
        const own = builder.initializers.get(value ?? '');
        return own ? toTensor(own) : constantOf(value);
      },
      scalar: (value) => floatScalar(builder, value, dtype),
      shape: (value) => {
        let name = this.#runtimeShapes.get(value);
        if (name === undefined) {
          name = builder.op('Shape', [value], { name: `${value}/shape` });
          this.#runtimeShapes.set(value, name);
        }
        return name;
      },
      forwardOutput: (index) => {
        const outputs = this.#extended.get(node) ?? [...node.outputs];
        while (outputs.length <= index) outputs.push('');
        outputs[index] ||= builder.freshName(`${outputs[0]}/output_${index}`);
        this.#extended.set(node, outputs);
        return outputs[index];
      },
      op: (opType, inputs, attributes = {}) =>
        builder.op(opType, inputs, { name: `${prefix}/${opType}`, attributes }),
      ops: (opType, inputs, outputCount, attributes = {}) =>
        builder.ops(opType, inputs, outputCount, { name: `${prefix}/${opType}`, attributes }),
      through: (composition) => this.#through(composition, { node, dY, needs, prefix, dtype }),
    };
  }

  #throughScan(
    scan: ScanBody,
    gradients: ReadonlyMap<string, string>,
    values: ReadonlySet<string>,
  ): [string, string][] {
    const { builder, ruleOf } = this.#of;
    return backThroughScan(scan, {
      builder,
      ruleOf,
      gradients,
      values,
      dtype: this.#dtypeOf(scan.node.outputs[0]!),
      rankOf: (value) => this.shapeOf(value).length,
      walk: (path, inner) => {
        // What the body appends is not seen outside, not even the shape of a value that is.
        const known = this.#runtimeShapes;
        this.#runtimeShapes = new Map(known);
        const outside = builder.nodes.length;
        this.walk(path, inner);
        this.#runtimeShapes = known;
        return builder.nodes.splice(outside);
      },
    });
  }

  /** Gradients of the node's inputs through the plain operators that it is written with. */
  #through(
    composition: Composition,
    {
      node,
      dY,
      needs,
      prefix,
      dtype,
    }: {
      readonly node: Node;
      readonly dY: readonly (string | undefined)[];
      readonly needs: (input: number) => boolean;
      readonly prefix: string;
      readonly dtype: DType;
    },
  ): Map<number, string> {
    const { builder, opset, ruleOf } = this.#of;
    const { nodes, outputs, shapes, scans } = expand(composition, node, {
      builder,
      opset,
      prefix: `${prefix}/again`,
      shapeOf: this.shapeOf,
      dtypeOf: this.#dtypeOf,
      scalar: (value) => floatScalar(builder, value, dtype),
    });
    for (const [value, shape] of shapes) {
      this.#shapes.set(value, shape);
      this.#dtypes.set(value, dtype);
    }
    for (const scan of scans) this.#scans.set(scan.node, scan);
    const gradients = new Map<string, string>();
    for (const [i, gradient] of dY.entries()) {
      if (gradient === undefined) continue;
      if (!outputs[i]) {
        throw new GraftError(
          'NO_GRADIENT_RULE',
          `${node.opType} "${node.name || node.outputs[0]}" is differentiated through its output ${i} too, for which there is no gradient rule.`,
        );
      }
      this.accumulate(gradients, outputs[i], gradient);
    }
    builder.nodes.push(...nodes);
    const wanted = node.inputs.filter((_, i) => needs(i));
    const path = findGradientPath({ nodes }, wanted, [...gradients.keys()], ruleOf);
    this.walk(path, gradients);
    // One value may be several inputs (queries, keys and values): its gradient is the sum of theirs already.
    const first = [...new Set(wanted)].map((value) => [node.inputs.indexOf(value), gradients.get(value)] as const);
    return new Map(first.filter((entry): entry is [number, string] => entry[1] !== undefined));
  } // prettier-ignore
}
