import { expect } from 'chai';
import { differentiate } from '../../src/autodiff/differentiate.js';
import { convolutionsAsProducts } from '../../src/autodiff/convolution-forms/convolutions-as-products.js';
import type { AttributeInput } from '../../src/onnx/attributes.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { type Graph, graph as makeGraph } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { float32, type Tensor } from '../../src/tensor/tensor.js';
import { sizeOf } from '../../src/tensor/shape.js';

interface Case {
  readonly title: string;
  /** Channels in and out, height and width. */
  readonly sizes: readonly [number, number, number, number];
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
  readonly bias?: boolean;
  readonly kernel?: readonly [number, number];
  readonly groups?: number;
  /** Whether it is written anew. */
  readonly isTaken?: boolean;
}

const cases: readonly Case[] = [
  { title: '7 x 7 with padding', sizes: [208, 200, 7, 7], attributes: { pads: [1, 1, 1, 1] } },
  { title: '8 x 5 with padding on two sides', sizes: [160, 164, 8, 5], attributes: { pads: [0, 1, 1, 0] } },
  { title: '6 x 7 without padding, with a bias', sizes: [168, 176, 6, 7], bias: true },
  { title: 'auto_pad SAME_UPPER', sizes: [64, 72, 4, 3], attributes: { auto_pad: 'SAME_UPPER' }, bias: true },
  { title: '3 x 3, of which one position is left', sizes: [40, 36, 3, 3] },
  { title: 'one position, padded', sizes: [32, 32, 1, 1], attributes: { pads: [1, 1, 1, 1] } },
  {
    title: 'depthwise with padding',
    sizes: [24, 24, 7, 6],
    groups: 24,
    attributes: { pads: [1, 1, 1, 1] },
    bias: true,
  },
  {
    title: 'depthwise with strides',
    sizes: [20, 20, 14, 13],
    groups: 20,
    attributes: { strides: [2, 2], pads: [1, 1, 1, 0] },
  },
  {
    title: 'depthwise 5 x 3, dilated',
    sizes: [12, 12, 9, 11],
    groups: 12,
    kernel: [5, 3],
    attributes: { dilations: [2, 3] },
  },
  {
    title: 'depthwise with more padding than kernel',
    sizes: [6, 6, 8, 3],
    groups: 6,
    attributes: { pads: [5, 1, 4, 2] },
  },
  { title: 'depthwise of many positions', sizes: [8, 8, 20, 20], groups: 8, isTaken: false },
  { title: 'groups of several channels', sizes: [24, 24, 5, 5], groups: 6, isTaken: false },
  { title: 'strides', sizes: [100, 100, 5, 5], attributes: { strides: [2, 2] }, isTaken: false },
  { title: 'dilations', sizes: [100, 100, 5, 5], attributes: { dilations: [2, 2] }, isTaken: false },
  { title: 'few channels for its positions', sizes: [16, 16, 9, 9], isTaken: false },
  { title: 'another kernel', sizes: [100, 100, 5, 5], kernel: [3, 1], isTaken: false },
];

const opset = 17;
const batch = 3;

function draw(dims: readonly number[], seed: number): Tensor {
  const rng = createRng(seed);
  return float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => rng.normal()),
  );
}

/** Σ r · Conv(x, w): r draws the gradient by the output. */
function build({
  sizes: [from, to, height, width],
  attributes: given,
  bias,
  kernel = [3, 3],
  groups = 1,
}: Case) {
  const each = from / groups;
  const attributes = { ...given, group: groups };
  const builder = new GraphBuilder({ opset });
  const x = builder.input('x', 'float32', ['batch', from, height, width]);
  const w = builder.input('w', 'float32', [to, each, ...kernel]);
  const operands = bias ? [x, w, builder.input('b', 'float32', [to])] : [x, w];
  const y = builder.op('Conv', operands, { name: 'y', attributes });
  const square = builder.op('Mul', [y, builder.op('Sigmoid', [y])]);
  builder.output(builder.op('ReduceSum', [square], { name: 'loss', attributes: { keepdims: 0 } }), 'float32');
  builder.output(y, 'float32');
  const feeds: Record<string, Tensor> = {
    x: draw([batch, from, height, width], 1),
    w: draw([to, each, ...kernel], 2),
  };
  for (const i of feeds.w!.data.keys()) (feeds.w!.data as Float32Array)[i]! /= Math.sqrt(9 * each);
  if (bias) feeds.b = draw([to], 3);
  return { builder, feeds };
}

async function run(graph: Graph, feeds: Record<string, Tensor>, builder: GraphBuilder) {
  const session = await openSession(encodeModel(builder.model({ graph })), { threads: 1 });
  const outputs = await session.run(feeds);
  await session.release();
  return outputs;
}

/** Writes small networks, and draws their weights. */
class Net {
  readonly builder: GraphBuilder;
  readonly feeds: Record<string, Tensor> = {};

  constructor(opset: number) {
    this.builder = new GraphBuilder({ opset });
  }

  weight(dims: readonly number[], scale = 1): string {
    const name = this.builder.input('w', 'float32', dims);
    const { data } = draw(dims, Object.keys(this.feeds).length + 2);
    this.feeds[name] = float32(
      dims,
      Float32Array.from(data as Float32Array, (value) => scale * value),
    );
    return name;
  }

  op(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeInput>> = {},
  ): string {
    return this.builder.op(opType, inputs, { attributes });
  }

  pointwise(x: string, from: number, to: number): string {
    return this.op('Conv', [x, this.weight([to, from, 1, 1], from ** -0.5), this.weight([to])]);
  }

  depthwise(x: string, channels: number): string {
    const w = this.weight([channels, 1, 3, 3], 1 / 3);
    return this.op('Conv', [x, w], { group: channels, pads: [1, 1, 1, 1] });
  }

  /** y, and a loss that draws a gradient by each of its values. */
  finish(value: string): void {
    const w = this.weight([8 * 6 * 5, 4], 0.1);
    const y = this.builder.op('MatMul', [this.op('Flatten', [value]), w], { name: 'y' });
    const square = this.op('Mul', [y, this.op('Sigmoid', [y])]);
    this.builder.output(
      this.builder.op('ReduceSum', [square], { name: 'loss', attributes: { keepdims: 0 } }),
      'float32',
    );
    this.builder.output(y, 'float32');
  }
}

type Cell = (net: Net, value: string, x: string) => string;

/** What may stand between two convolutions, the transposes that the whole takes, and the convolutions left. */
const cells: readonly (readonly [string, Cell, number, number?])[] = [
  ['nothing', (_, value) => value, 2],
  ['activations', (net, value) => net.op('Clip', [net.op('LeakyRelu', [value]), net.builder.scalar(-0.1), net.builder.scalar(1)]), 2],
  ['a residual', (net, value, x) => net.op('Add', [x, value]), 3],
  [
    'normalisation with frozen statistics',
    (net, value) => {
      const row = (add: number) => net.builder.constant('row', float32([8], Float32Array.from({ length: 8 }, (_, i) => add + i / 8)));
      return net.op('BatchNormalization', [value, net.weight([8]), net.weight([8]), row(-0.5), row(1)], { epsilon: { float: 1e-3 } });
    },
    2,
  ],
  ['a factor a channel', (net, value) => net.op('Mul', [net.weight([1, 8, 1, 1]), value]), 2],
  ['a summand a column', (net, value) => net.op('Sub', [value, net.weight([5])]), 2],
  [
    'squeeze and excitation',
    (net, value) => {
      const squeezed = net.op('Relu', [net.pointwise(net.op('GlobalAveragePool', [value]), 8, 4)]);
      return net.op('Mul', [value, net.op('Sigmoid', [net.pointwise(squeezed, 4, 8)])]);
    },
    2,
  ],
  [
    'a channel shuffle',
    (net, value, x) => {
      const joined = net.op('Concat', [value, x], { axis: -3 });
      const groups = net.op('Reshape', [joined, net.builder.ints([0, 2, 8, 6, 5])]);
      const swapped = net.op('Transpose', [groups], { perm: [0, 2, 1, 3, 4] });
      const shuffled = net.op('Reshape', [swapped, net.builder.ints([-1, 16, 6, 5])]);
      return net.builder.ops('Split', [shuffled, net.builder.ints([8, 8])], 2, { attributes: { axis: 1 } })[1]!;
    },
    4,
  ],
  ['a pool, for which they are transposed', (net, value) => net.op('MaxPool', [value], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }), 2, 2],
  [
    'examples mixed, for which they are transposed',
    (net, value) => net.op('Reshape', [net.op('Reshape', [value, net.builder.ints([2, -1])]), net.builder.ints([-1, 8, 6, 5])]),
    2,
    2,
  ],
  ['a product over the examples, for which they are transposed', (net, value) => net.op('Add', [value, net.op('ReduceSum', [value, net.builder.ints([0])])]), 3],
]; // prettier-ignore

/** The graph as given and with convolutions as products: values and gradients by all feeds agree. @returns the latter */
async function expectSame(builder: GraphBuilder, feeds: Record<string, Tensor>): Promise<Graph> {
  const direct = builder.graph();
  const inputDims = new Map(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));
  // Another batch than the one that runs: nothing may hold on to it.
  const [, ...image] = inputDims.get('x')!;
  const shapes = await probeShapes(builder.model(), {
    inputDims: new Map([...inputDims, ['x', [2, ...image]]]),
  });
  const fast = convolutionsAsProducts(direct, shapes, builder.opset);
  const results: Record<string, Tensor>[] = [];
  for (const { graph, shapes: known } of [{ graph: direct, shapes }, fast]) {
    const parameters = Object.keys(feeds);
    const found = differentiate(graph, { loss: 'loss', parameters, shapes: known, opset: builder.opset });
    const outputs = await run(makeGraph(found.graph), feeds, builder);
    results.push({
      y: outputs.y!,
      ...Object.fromEntries(parameters.map((name) => [name, outputs[found.gradients.get(name)!]!])),
    });
  }
  const [wanted, found] = results as [Record<string, Tensor>, Record<string, Tensor>];
  for (const [name, { dims, data }] of Object.entries(wanted)) {
    expect(found[name]!.dims, name).to.deep.equal(dims);
    const [mine, theirs] = [found[name]!.data as Float32Array, data as Float32Array];
    const apart = mine.map((value, i) => value - theirs[i]!);
    expect(norm(apart) / norm(theirs), name).to.be.below(3e-6);
  }
  return fast.graph;
}

const count = ({ nodes }: Graph, wanted: string): number =>
  nodes.filter(({ opType }) => opType === wanted).length;

describe('Convolutions as matrix products', () => {
  for (const setting of cases) {
    const { title, isTaken = true } = setting;
    it(`${isTaken ? 'have the values and gradients of the operator' : 'leave alone'}: ${title}`, async () => {
      const { builder, feeds } = build(setting);
      const graph = await expectSame(builder, feeds);
      expect(count(graph, 'Conv')).to.equal(isTaken ? 0 : 1);
    });
  }

  for (const [what, cell, transposes, left = 1] of cells) {
    for (const opset of [13, 20]) {
      it(`lie with the batch last from one to the next: ${what}, opset ${opset}`, async () => {
        const net = new Net(opset);
        const x = net.builder.input('x', 'float32', ['batch', 8, 6, 5]);
        net.feeds.x = draw([batch, 8, 6, 5], 1);
        const before = net.depthwise(net.pointwise(x, 8, 8), 8);
        net.finish(net.pointwise(cell(net, before, x), 8, 8));
        const graph = await expectSame(net.builder, net.feeds);
        // The first is not asked to lie otherwise.
        expect(count(graph, 'Conv')).to.equal(left);
        expect(count(graph, 'Transpose')).to.equal(transposes);
      });
    }
  }
});

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}
