import { expect } from 'chai';
import { freeBatch } from '../../src/graph/free-batch.js';
import { takeOneExample } from '../../src/graph/take-one-example.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Dimension, Model } from '../../src/onnx/ir.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { float32, int64, type Tensor } from '../../src/tensor/tensor.js';
import { largestDifference, randomTensor, runModel } from './run-model.js';

/** A convolution, two heads joined with the batch on one axis, and rows again, as traced with a batch. */
function traced(batch: number, declared: Dimension = batch): Model {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [declared, 3, 4, 4]);
  const maps = b.op('Conv', [x, b.constant('w', randomTensor([4, 3, 1, 1], 5))]);
  const heads = b.op('Reshape', [maps, b.ints([batch * 2, 2, 16])]);
  const mixed = b.op('Softmax', [heads], { attributes: { axis: 1 } });
  const rows = b.op('Reshape', [mixed, b.ints([batch, -1])]);
  b.output(b.op('MatMul', [rows, b.constant('v', randomTensor([64, 5], 6))]), 'float32', [declared, 5], 'y');
  return b.model();
}

/** Values that are drawn once and stand there for each example of the batch, as constants that exporters folded. */
function forEach(batch: number, dims: readonly number[], seed: number): Tensor {
  const { data } = randomTensor([1, ...dims], seed);
  const all = Array.from({ length: batch }, () => [...(data as Float32Array)]).flat();
  return float32([batch, ...dims], Float32Array.from(all));
}

/** What transformers are traced into: a class token, positions, windows with a mask, computed sizes, a flat view. */
function tracedTransformer(batch: number): Model {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [batch, 3, 4, 4]);
  const maps = b.op('Conv', [x, b.constant('w', randomTensor([4, 3, 1, 1], 5))]);
  const columns = b.op('Reshape', [maps, b.ints([batch, 4, 16])]);
  const patches = b.op('Transpose', [columns], { attributes: { perm: [0, 2, 1] } });
  const token = b.op('Expand', [b.constant('token', randomTensor([1, 2, 4], 6)), b.ints([batch, 2, 4])]);
  const tokens = b.op('Concat', [token, patches], { attributes: { axis: 1 } });
  const placed = b.op('Add', [tokens, b.constant('positions', forEach(batch, [18, 4], 7))]);
  // Three windows an example, masked alike in each example.
  const windows = b.op('Reshape', [placed, b.ints([batch * 3, 6, 4])]);
  const apart = b.op('Reshape', [windows, b.ints([batch, 3, 6, 4])]);
  const masked = b.op('Add', [apart, b.constant('mask', forEach(batch, [3, 6, 4], 8))]);
  const mixed = b.op('Softmax', [masked], { attributes: { axis: 2 } });
  const length = b.op('Gather', [b.op('Shape', [placed]), b.ints([1])]);
  const shape = b.op('Concat', [b.ints([batch]), length, b.ints([4])], { attributes: { axis: 0 } });
  const again = b.op('Reshape', [mixed, shape]);
  // As the newer exporter of PyTorch writes a view with strides.
  const flat = b.op('Reshape', [again, b.ints([-1])]);
  const places = Array.from({ length: batch * 5 }, (_, i) => 72 * Math.floor(i / 5) + 3 * (i % 5));
  const picked = b.op('Gather', [flat, b.constant('places', int64([batch, 5], places))]);
  const [sum] = b.ops(
    'LSTM',
    [
      b.op('Unsqueeze', [picked, b.ints([0])]),
      ...[
        [1, 16, 5],
        [1, 16, 4],
      ].map((dims, i) => b.constant(`lstm${i}`, randomTensor(dims, 9 + i))),
      ...['', '', b.constant('state', float32([1, batch, 4], new Float32Array(4 * batch).fill(0.3)))],
    ],
    3,
    { attributes: { hidden_size: 4 } },
  );
  b.output(b.op('Squeeze', [sum!, b.ints([0, 1])]), 'float32', [batch, 4], 'y');
  return b.model();
}

describe('takeOneExample', () => {
  it('frees a batch of eight in a graph: any number of examples gives what eight at once give', async () => {
    const model = traced(8);
    const one = takeOneExample(model, await probeShapes(model));
    const freed = freeBatch(one, await probeShapes(one));
    for (const x of [randomTensor([8, 3, 4, 4], 1), randomTensor([8, 3, 4, 4], 2)]) {
      const { y } = await runModel(model, { x });
      expect(largestDifference((await runModel(freed, { x })).y!, y!)).to.be.at.most(1e-6);
    }
    const { y } = await runModel(freed, { x: randomTensor([3, 3, 4, 4], 3) });
    expect(y!.dims).to.deep.equal([3, 5]);
  });

  for (const batch of [2, 3, 8]) {
    it(`finds ${batch} examples in what transformers are traced into`, async () => {
      const model = tracedTransformer(batch);
      const one = takeOneExample(model, await probeShapes(model));
      const freed = freeBatch(one, await probeShapes(one));
      const x = randomTensor([batch, 3, 4, 4], 1);
      const { y } = await runModel(model, { x });
      expect(largestDifference((await runModel(freed, { x })).y!, y!)).to.be.at.most(1e-6);
      expect((await runModel(one, { x: randomTensor([1, 3, 4, 4], 1) })).y!.dims).to.deep.equal([1, 4]);
      expect((await runModel(freed, { x: randomTensor([5, 3, 4, 4], 3) })).y!.dims).to.deep.equal([5, 4]);
    });
  }

  it('takes an axis of length 1 before the batch for none', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [4, 3, 2, 2]);
    const behind = b.op('Reshape', [x, b.ints([1, 4, 12])]);
    b.output(b.op('Relu', [behind]), 'float32', [1, 4, 12], 'y');
    const one = takeOneExample(b.model(), await probeShapes(b.model()));
    expect((await runModel(one, { x: randomTensor([1, 3, 2, 2], 1) })).y!.dims).to.deep.equal([1, 1, 12]);
  });

  it('takes a declared 0, which some exporters write, for a free batch', async () => {
    const one = takeOneExample(traced(1, 0), new Map());
    expect((await probeShapes(one)).get('y')).to.deep.equal([1, 5]);
  });

  it('leaves a model of one example, and one with a free batch, as it is', () => {
    for (const model of [traced(1), traced(1, 'N')]) expect(takeOneExample(model, new Map())).to.equal(model);
  });
});
