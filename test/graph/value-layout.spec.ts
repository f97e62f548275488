import { expect } from 'chai';
import { valueLayouts } from '../../src/graph/value-layout.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';

describe('The channels of a value that no operator tells of', () => {
  it('are the last axis of three, and the second where the last is of one position', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [1, 8]);
    const [tokens, pooled] = [
      b.op('Reshape', [x, b.ints([1, 4, 2])]),
      b.op('Reshape', [x, b.ints([1, 8, 1])]),
    ];
    const shapes = new Map([
      [x, [1, 8]],
      [tokens, [1, 4, 2]],
      [pooled, [1, 8, 1]],
    ]);
    const layouts = valueLayouts(b.model().graph, shapes);
    expect([layouts.layout(tokens), layouts.layout(pooled)]).to.deep.equal(['channelsLast', 'channelsFirst']);
  });
});
