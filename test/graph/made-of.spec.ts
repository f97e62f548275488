import { expect } from 'chai';
import { madeOf } from '../../src/graph/made-of.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { float32 } from '../../src/tensor/tensor.js';

describe('the sources of sizes', () => {
  it('are what a shape vector is made of, however long the way', () => {
    const builder = new GraphBuilder();
    let value = builder.op('Mul', [builder.op('Shape', [builder.input('x', 'float32')]), builder.ints([2])]);
    for (let i = 0; i < 20_000; i++) value = builder.op('Identity', [value]);
    expect(madeOf(builder.graph(), value)?.sources).to.deep.equal(new Set(['x']));
  });

  it('are none of a value in which numbers that are fed count too, or of a constant', () => {
    const builder = new GraphBuilder();
    const shape = builder.op('Shape', [builder.input('x', 'float32')]);
    const fed = builder.op('Add', [shape, builder.input('more', 'int64')]);
    const constant = builder.op('Identity', [builder.ints([1])]);
    const graph = builder.graph();
    expect(madeOf(graph, fed)).to.equal(undefined);
    expect(madeOf(graph, constant)).to.equal(undefined);
  });

  it('are beside it the values that count as one, but for what a table of weights makes of those', () => {
    const builder = new GraphBuilder();
    const mask = builder.op('Identity', [builder.input('mask', 'int64')]);
    const places = builder.op('ArgMax', [mask]);
    const range = builder.op('Shape', [mask]);
    const index = builder.op('Concat', [range, places], { attributes: { axis: 0 } });
    const table = builder.constant('table', float32([2, 2], [1, 2, 3, 4]));
    const looked = builder.op('Gather', [table, places]);
    const isMask = (name: string): boolean => name === mask;
    expect(madeOf(builder.graph(), index, isMask)?.sources).to.deep.equal(new Set([mask]));
    expect(madeOf(builder.graph(), index, (name) => name === places)?.sources).to.deep.equal(
      new Set([mask, places]),
    );
    expect(madeOf(builder.graph(), looked, isMask)).to.equal(undefined);
  });
});
