import { expect } from 'chai';
import { freeBatch } from '../../src/graph/free-batch.js';
import { takeOneExample } from '../../src/graph/take-one-example.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Dimension, Model } from '../../src/onnx/ir.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
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

describe('takeOneExample', () => {
  it('frees a batch of eight in a graph: any number of examples gives what eight at once give', async () => {
    const model = traced(8);
    const one = takeOneExample(model);
    const freed = freeBatch(one, await probeShapes(one));
    for (const x of [randomTensor([8, 3, 4, 4], 1), randomTensor([8, 3, 4, 4], 2)]) {
      const { y } = await runModel(model, { x });
      expect(largestDifference((await runModel(freed, { x })).y!, y!)).to.be.at.most(1e-6);
    }
    const { y } = await runModel(freed, { x: randomTensor([3, 3, 4, 4], 3) });
    expect(y!.dims).to.deep.equal([3, 5]);
  });

  it('takes a declared 0, which some exporters write, for a free batch', async () => {
    const one = takeOneExample(traced(1, 0));
    expect((await probeShapes(one)).get('y')).to.deep.equal([1, 5]);
  });

  it('leaves a model of one example, and one with a free batch, as it is', () => {
    for (const model of [traced(1), traced(1, 'N')]) expect(takeOneExample(model)).to.equal(model);
  });
});
