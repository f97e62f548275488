import { expect } from 'chai';
import { descendants, traceData } from '../../src/graph/data-flow.js';
import { deepestStage } from '../../src/graph/deepest-stage.js';
import { dominatorTree } from '../../src/graph/dominator-tree.js';
import { valueLayouts } from '../../src/graph/value-layout.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { createRng } from '../../src/rng.js';
import { float32 } from '../../src/tensor/tensor.js';

describe('Which values other data passes by', () => {
  it('are found in one pass as they are by asking each of them, in random graphs', () => {
    const rng = createRng(3);
    for (let round = 0; round < 60; round++) {
      const b = new GraphBuilder();
      const values = [b.input('x', 'float32', [1, 4]), b.input('z', 'float32', [1, 4])];
      for (let step = 0; step < 20; step++) {
        const pick = (): string => values[Math.max(0, values.length - 1 - rng.integer(4))]!;
        if (rng.integer(4) === 0) values.push(...b.ops('Split', [pick()], 2));
        else if (rng.integer(2) === 0)
          values.push(b.op('Concat', [pick(), pick()], { attributes: { axis: 1 } }));
        else values.push(b.op('Relu', [pick()]));
      }
      const flow = traceData(b.model().graph, ['x', 'z']);
      const tree = dominatorTree(flow);
      const ends = values.filter(() => rng.integer(5) === 0);
      const asked = values.filter((value) => {
        const after = descendants(flow, [value]);
        return ends.some((end) => after.has(end) && !tree.dominates(value, end));
      });
      expect([...tree.bypassed(ends)]).to.have.members(asked);
    }
  });

  it('take a moment in a chain of 10,000 nodes without classifier', function () {
    this.timeout(5000);
    const b = new GraphBuilder();
    const kernel = b.constant('kernel', float32([8, 8, 1, 1], new Float32Array(64).fill(0.1)));
    let x = b.input('x', 'float32', [1, 8, 4, 4]);
    for (let i = 0; i < 5000; i++) x = b.op('Relu', [b.op('Conv', [x, kernel])]);
    b.output(x, 'float32');
    const { graph } = b.model();
    const shapes = new Map(graph.nodes.flatMap(({ outputs }) => outputs.map((name) => [name, [1, 8, 4, 4]])));
    expect(deepestStage(traceData(graph, ['x']), valueLayouts(graph, shapes))).to.equal(x);
  });
});
