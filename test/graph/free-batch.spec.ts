import { expect } from 'chai';
import { freeBatch } from '../../src/graph/free-batch.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Model } from '../../src/onnx/ir.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32, int64, type Tensor } from '../../src/tensor/tensor.js';
import { largestDifference, randomTensor, runModel } from './run-model.js';

interface Case {
  readonly what: string;
  /** Of one example, batch first. */
  readonly shape: readonly number[];
  /** Appends the graph after the input `x` and gives the value whose first axis is the batch. */
  readonly build: (b: GraphBuilder, x: string) => string;
}

const shapeOf = (b: GraphBuilder, dims: readonly number[]): string =>
  b.constant('baked', int64([dims.length], dims));
const reshape = (b: GraphBuilder, x: string, dims: readonly number[]): string =>
  b.op('Reshape', [x, shapeOf(b, dims)]);
const transpose = (b: GraphBuilder, x: string, perm: readonly number[]): string =>
  b.op('Transpose', [x], { attributes: { perm } });

const cases: readonly Case[] = [
  {
    what: 'a Reshape whose first size is the batch',
    shape: [1, 3, 4],
    build: (b, x) => reshape(b, x, [1, 12]),
  },
  {
    what: 'a Reshape that has −1 elsewhere',
    shape: [1, 3, 4],
    build: (b, x) => reshape(b, x, [1, -1, 2]),
  },
  {
    what: 'a Reshape that has −1 elsewhere and moves the batch',
    shape: [1, 3, 4],
    build: (b, x) => transpose(b, reshape(b, transpose(b, x, [1, 0, 2]), [3, 1, 2, -1]), [1, 0, 2, 3]),
  },
  {
    what: 'attention that is written for sequences first, with batch · heads on one axis and batch · tokens on another',
    shape: [1, 5, 8],
    build: (b, x) => {
      const first = transpose(b, x, [1, 0, 2]);
      const heads = transpose(b, reshape(b, first, [5, 2, 4]), [1, 0, 2]);
      const scores = b.op('Softmax', [b.op('MatMul', [heads, transpose(b, heads, [0, 2, 1])])], {
        attributes: { axis: -1 },
      });
      const mixed = transpose(b, b.op('MatMul', [scores, heads]), [1, 0, 2]);
      const rows = reshape(b, mixed, [5, 8]);
      const projected = b.op('Gemm', [rows, b.constant('w', randomTensor([8, 8], 3))]);
      return transpose(b, reshape(b, projected, [5, 1, 8]), [1, 0, 2]);
    },
  },
  {
    what: 'windows that join the batch on the first axis',
    shape: [1, 4, 4, 3],
    build: (b, x) => {
      const tiles = transpose(b, reshape(b, x, [1, 2, 2, 2, 2, 3]), [0, 1, 3, 2, 4, 5]);
      const windows = reshape(b, tiles, [4, 4, 3]);
      const mean = b.op('ReduceMean', [windows], { attributes: { axes: [1], keepdims: 1 } });
      const back = reshape(b, b.op('Sub', [windows, mean]), [1, 2, 2, 2, 2, 3]);
      return reshape(b, transpose(b, back, [0, 1, 3, 2, 4, 5]), [1, 4, 4, 3]);
    },
  },
  {
    what: 'a shape put together of a 1 and what is computed',
    shape: [1, 3, 4],
    build: (b, x) => {
      const width = b.op('Gather', [b.op('Shape', [x]), b.ints([2])], { attributes: { axis: 0 } });
      const shape = b.op('Concat', [b.ints([1]), b.ints([3]), width], { attributes: { axis: 0 } });
      return b.op('Reshape', [b.op('Relu', [x]), shape]);
    },
  },
  {
    what: 'a class token before the tokens, and positions added to them',
    shape: [1, 3, 4],
    build: (b, x) => {
      const token = b.op('Expand', [b.constant('token', randomTensor([1, 1, 4], 5)), shapeOf(b, [1, 1, 4])]);
      const all = b.op('Concat', [token, x], { attributes: { axis: 1 } });
      return b.op('Add', [all, b.constant('positions', randomTensor([1, 4, 4], 6))]);
    },
  },
  {
    what: 'a Resize to sizes',
    shape: [1, 2, 2, 2],
    build: (b, x) =>
      b.op('Resize', [x, '', '', shapeOf(b, [1, 2, 4, 4])], { attributes: { mode: 'nearest' } }),
  },
  {
    what: 'the initial states of an LSTM',
    shape: [1, 3, 4],
    build: (b, x) => {
      const weights = [
        b.constant('W', randomTensor([1, 8, 4], 7)),
        b.constant('R', randomTensor([1, 8, 2], 8)),
      ];
      const states = ['h', 'c'].map((name, i) => b.constant(name, randomTensor([1, 1, 2], 9 + i)));
      const [steps] = b.ops('LSTM', [transpose(b, x, [1, 0, 2]), ...weights, '', '', ...states], 1, {
        attributes: { hidden_size: 2 },
      });
      return transpose(b, b.op('Squeeze', [steps!, b.ints([1])]), [1, 0, 2]);
    },
  },
  {
    what: 'a quantised class token before quantised tokens',
    shape: [1, 3, 4],
    build: (b, x) => {
      const rounding = [
        b.scalar(0.05),
        b.constant('zero', { dtype: 'uint8', dims: [], data: Uint8Array.of(128) }),
      ];
      const data = Uint8Array.of(3, 90, 200, 17);
      const token = b.constant('token', { dtype: 'uint8', dims: [1, 1, 4], data });
      const tokens = b.op('QuantizeLinear', [x, ...rounding]);
      const all = b.op('QLinearConcat', [...rounding, token, ...rounding, tokens, ...rounding], {
        domain: 'com.microsoft',
        attributes: { axis: 1 },
      });
      return b.op('DequantizeLinear', [all, ...rounding]);
    },
  },
  {
    what: 'a table of token types from which each position gathers its own',
    shape: [1, 3, 4],
    build: (b, x) => {
      const positions = b.op('ArgMax', [x], { attributes: { axis: 2, keepdims: 0 } });
      const table = b.constant('types', int64([1, 4], [5, 3, 8, 2]));
      const types = b.op('GatherElements', [table, positions], { attributes: { axis: 1 } });
      return b.op('Cast', [types], { attributes: { to: 1 } });
    },
  },
  {
    what: 'constants that pick elements of the example laid out flat, not all and in another order',
    shape: [1, 3, 4],
    build: (b, x) =>
      b.op('Gather', [b.op('Reshape', [x, b.ints([-1])]), b.constant('i', int64([1, 2, 2], [7, 0, 11, 4]))]),
  },
  {
    what: 'one grid at which every image is sampled',
    shape: [1, 2, 4, 4],
    build: (b, x) => b.op('GridSample', [x, b.constant('grid', randomTensor([1, 3, 2, 2], 5))]),
  },
  {
    what: 'a constant 1 that is no batch beside one that is',
    shape: [1, 3, 4],
    build: (b, x) => {
      const shared = shapeOf(b, [1, 12]);
      const bias = b.op('Reshape', [b.constant('bias', randomTensor([12], 4)), shared]);
      return b.op('Add', [b.op('Reshape', [x, shared]), bias]);
    },
  },
];

function modelOf({ shape, build }: Case): Model {
  const b = new GraphBuilder();
  const y = build(b, b.input('x', 'float32', shape));
  b.output(y, 'float32', undefined, 'y');
  const opsets = new Map([
    ['', b.opset],
    ['com.microsoft', 1],
  ]);
  return b.model({ opsets });
}

async function stackedOutputs(model: Model, examples: readonly Tensor[]): Promise<Tensor> {
  const outputs: Tensor[] = [];
  for (const x of examples) outputs.push((await runModel(model, { x })).y!);
  return stack(outputs);
}

function stack(rows: readonly Tensor[]): Tensor {
  const [, ...rest] = rows[0]!.dims;
  const data = new Float32Array(rows.length * sizeOf(rest));
  for (const [i, row] of rows.entries()) data.set(row.data as Float32Array, i * sizeOf(rest));
  return float32([rows.length, ...rest], data);
}

describe('freeBatch', () => {
  for (const row of cases) {
    it(`gives three examples at once what each gives alone, through ${row.what}`, async () => {
      const model = modelOf(row);
      const examples = [11, 12, 13].map((seed) => randomTensor(row.shape, seed));
      const freed = freeBatch(model, await probeShapes(model));
      const { y } = await runModel(freed, { x: stack(examples) });
      expect(largestDifference(y!, await stackedOutputs(model, examples))).to.be.at.most(1e-6);
    });
  }

  it('leaves the nodes of a model alone whose batch is free', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['N', 3, 4]);
    const flat = b.op('Reshape', [x, b.ints([-1, 12])]);
    const rows = b.op('Reshape', [flat, b.ints([0, 3, 4])]);
    b.output(b.op('Concat', [rows, x], { attributes: { axis: 1 } }), 'float32', ['N', 6, 4], 'y');
    const model = b.model();
    expect(freeBatch(model, await probeShapes(model)).graph.nodes).to.deep.equal(model.graph.nodes);
  });
});
