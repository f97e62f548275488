import { expect } from 'chai';
import { countParameters } from '../../src/graph/count-parameters.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Graph } from '../../src/onnx/ir.js';
import { float32 } from '../../src/tensor/tensor.js';

/** Two branches from one stem, which share a weight of 7 numbers; they meet, and one more layer follows. */
function branches(): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [1]);
  const weight = (name: string, count: number): string =>
    b.constant(name, float32([count], new Array<number>(count).fill(1)));
  const shared = weight('shared', 7);
  const stem = b.op('Mul', [x, weight('a', 1)], { name: 'stem' });
  const left = b.op('Sum', [stem, shared, weight('b', 10)], { name: 'left' });
  const right = b.op('Sum', [stem, shared, weight('c', 100)], { name: 'right' });
  const joined = b.op('Sum', [left, right], { name: 'joined' });
  b.output(b.op('Mul', [joined, weight('d', 1000)], { name: 'end' }), 'float32');
  return b.graph();
}

describe('countParameters', () => {
  it('counts what a value needs once, in whatever order it is asked', () => {
    const needed = { stem: 1, left: 18, right: 108, joined: 118, end: 1118 };
    const names = Object.keys(needed) as (keyof typeof needed)[];
    for (const order of [names, names.toReversed(), [...names, ...names]]) {
      const { before } = countParameters(branches());
      expect(order.map(before)).to.deep.equal(order.map((name) => needed[name]));
    }
  });
});
