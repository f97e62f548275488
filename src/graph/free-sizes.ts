/** Frees the batch in the sizes that Reshape, Resize and Expand are told to make. */
import { intAttribute } from '../onnx/attributes.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { indexGraph } from '../onnx/graph-index.js';
import type { Graph, Node } from '../onnx/ir.js';
import { int64 } from '../tensor/tensor.js';
import { type BatchAxis, hasFixedBatch } from './batch-axes.js';
import type { RepeatForBatch } from './repeat-for-batch.js';
import { factsOf } from './value-facts.js';
import type { Shapes } from './value-layout.js';

interface Setting {
  readonly graph: Graph;
  /** Of all values, from a run on one example. */
  readonly shapes: Shapes;
  /** Takes the constants and nodes that are needed. */
  readonly builder: GraphBuilder;
  readonly axes: ReadonlyMap<string, BatchAxis>;
  readonly repeat: RepeatForBatch;
}

export class FreeSizes {
  readonly #axes: ReadonlyMap<string, BatchAxis>;
  readonly #shapes: Shapes;
  readonly #builder: GraphBuilder;
  readonly #facts;
  readonly #index;
  readonly #repeat: RepeatForBatch;
  readonly #isFixed: boolean;

  constructor({ graph, shapes, builder, axes, repeat }: Setting) {
    this.#axes = axes;
    this.#shapes = shapes;
    this.#builder = builder;
    this.#facts = factsOf(graph);
    this.#index = indexGraph(graph);
    this.#repeat = repeat;
    this.#isFixed = hasFixedBatch(graph);
  }

  /** A node of another kind, or with sizes that are free already, stays as it is. */
  freed(node: Node): Node {
    switch (node.opType) {
      case 'Reshape':
        return this.#freeReshape(node);
      case 'Resize':
        return this.#freeSizes(node);
      case 'Expand':
        return this.#freeExpand(node);
      default:
        return node;
    }
  }

  #freeReshape(node: Node): Node {
    const [data = '', shape = ''] = node.inputs;
    const to = this.#axes.get(node.outputs[0]!);
    const dims = this.#constant(shape);
    if (!to) return node;
    if (!dims) return this.#freeJoinedShape(node, to.axis);
    const dim = dims[to.axis];
    if (dim === undefined || dim === -1) return node;
    const from = this.#axes.get(data);
    const isSame = from?.axis === to.axis && this.#shapes.get(data)?.[to.axis] === dim;
    const zeroCopies = intAttribute(node, 'allowzero', 0) === 0;
    if (dim === 0 && zeroCopies && from?.axis === to.axis) return node;
    const freed = dims.slice();
    const rest = dims.indexOf(-1);
    if (rest === -1) freed[to.axis] = -1;
    else if (isSame && zeroCopies) freed[to.axis] = 0;
    else {
      freed[to.axis] = -1;
      freed[rest] = this.#shapes.get(node.outputs[0]!)![rest]!;
    }
    // A constant of its own: the old one may serve other nodes, for which the 1 is no batch.
    return withInput(
      node,
      1,
      this.#builder.constant(`${node.outputs[0]}/shape`, int64([freed.length], freed)),
    );
  }

  /** A shape put together from parts, some computed: the batch's own part becomes −1. */
  #freeJoinedShape(node: Node, axis: number): Node {
    const joined = this.#index.producer(node.inputs[1]!);
    if (joined?.opType !== 'Concat') return node;
    const parts = joined.inputs.map((part) => this.#constant(part));
    if (parts.some((part) => part?.includes(-1) === true)) return node;
    let start = 0;
    for (const [i, name] of joined.inputs.entries()) {
      const length = this.#shapes.get(name)?.[0] ?? 1;
      const part = parts[i];
      if (axis >= start && axis < start + length) {
        // A computed part may be windows of an example · 1.
        if (part ? part[axis - start]! <= 0 : !this.#isFixed || length > 1) return node;
        const freed = this.#builder.ints((part ?? [0]).with(axis - start, -1));
        const [shape] = this.#builder.ops('Concat', joined.inputs.with(i, freed), 1, {
          name: `${node.outputs[0]}/shape`,
          attributes: { axis: 0 },
        });
        return withInput(node, 1, shape!);
      }
      start += length;
    }
    return node;
  }

  #freeSizes(node: Node): Node {
    const sizes = this.#constant(node.inputs[3]);
    const to = this.#axes.get(node.outputs[0]!);
    // Sizes of some axes alone name no batch.
    if (!sizes || !to || sizes.length !== this.#shapes.get(node.outputs[0]!)?.length) return node;
    return withInput(
      node,
      3,
      this.#repeat.withBatch(sizes, node.inputs[0]!, to.axis, `${node.outputs[0]}/sizes`),
    );
  }

  /** Where the data has its batch already, a 1 leaves it. */
  #freeExpand(node: Node): Node {
    const [data = '', shape] = node.inputs;
    const to = this.#axes.get(node.outputs[0]!);
    const dims = this.#constant(shape);
    if (!to || !dims || !this.#axes.has(data)) return node;
    const axis = to.axis - (this.#shapes.get(node.outputs[0]!)!.length - dims.length);
    if (axis < 0 || dims[axis] === 1) return node;
    return withInput(node, 1, this.#builder.ints(dims.with(axis, 1)));
  }

  #constant(value: string | undefined): number[] | undefined {
    const constant = value === undefined || value === '' ? undefined : this.#facts.constantOf(value);
    return constant?.dtype === 'int64' && constant.dims.length === 1
      ? Array.from(constant.data, Number)
      : undefined;
  }
}

const withInput = (node: Node, i: number, value: string): Node => ({
  ...node,
  inputs: node.inputs.with(i, value),
});
