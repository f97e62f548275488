import { expect } from 'chai';
import { sizeSources } from '../../src/graph/size-sources.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';

describe('the sources of sizes', () => {
  it('are what a shape vector is made of, however long the way', () => {
    const builder = new GraphBuilder();
    let value = builder.op('Mul', [builder.op('Shape', [builder.input('x', 'float32')]), builder.ints([2])]);
    for (let i = 0; i < 20_000; i++) value = builder.op('Identity', [value]);
    expect(sizeSources(builder.graph(), value)).to.deep.equal(new Set(['x']));
  });

  it('are none of a value in which numbers that are fed count too, or of a constant', () => {
    const builder = new GraphBuilder();
    const shape = builder.op('Shape', [builder.input('x', 'float32')]);
    const fed = builder.op('Add', [shape, builder.input('more', 'int64')]);
    const constant = builder.op('Identity', [builder.ints([1])]);
    const graph = builder.graph();
    expect(sizeSources(graph, fed)).to.equal(undefined);
    expect(sizeSources(graph, constant)).to.equal(undefined);
  });
});
