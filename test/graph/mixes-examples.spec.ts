import { expect } from 'chai';
import { mixesExamples } from '../../src/graph/mixes-examples.js';
import { toAttribute } from '../../src/onnx/attributes.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { type Graph, graph, node, type Node, tensorValue } from '../../src/onnx/ir.js';
import { float32, int64 } from '../../src/tensor/tensor.js';

/** A loop's body with two states that change places, in which `inner` makes the first of the second. */
function body(depth: number): Graph {
  const [round, more, a, b, first, last] = ['round', 'more', 'a', 'b', 'first', 'last'].map(
    (name) => `${name}${depth}`,
  ) as [string, string, string, string, string, string];
  const inner =
    depth === 0
      ? node({ opType: 'Relu', inputs: [b], outputs: [first] })
      : node({
          opType: 'Loop',
          inputs: ['twice', '', 'zeros', b],
          outputs: [first, last],
          attributes: new Map([['body', toAttribute(body(depth - 1))]]),
        });
  const same = (from: string, to: string): Node =>
    node({ opType: 'Identity', inputs: [from], outputs: [to] });
  return graph({
    nodes: [same(more, `${more}/out`), inner, same(a, `${b}/out`)],
    inputs: [
      tensorValue(round, 'int64', []),
      tensorValue(more, 'bool', []),
      ...[a, b].map((state) => tensorValue(state, 'float32', ['batch', 4])),
    ],
    outputs: [
      tensorValue(`${more}/out`, 'bool', []),
      ...[first, `${b}/out`].map((state) => tensorValue(state, 'float32', ['batch', 4])),
    ],
  });
}

describe('Whether examples change each other', () => {
  it('is told of loops in loops, 25 deep, whose states hand on what they are fed', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['batch', 4]);
    b.constant('twice', int64([], [2]));
    b.constant('zeros', float32([1, 4], [0, 0, 0, 0]));
    const loop = b.op('Loop', ['twice', '', 'zeros', x], { attributes: { body: body(25) } });
    b.output(loop, 'float32', ['batch', 4]);
    expect(mixesExamples(b.model())).to.equal(undefined);
  });
});
