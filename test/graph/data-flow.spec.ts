import { expect } from 'chai';
import {
  ancestors,
  countEnds,
  type DataFlow,
  isAnyMadeOfAnother,
  traceData,
} from '../../src/graph/data-flow.js';
import { deepestStage } from '../../src/graph/deepest-stage.js';
import { analyseStructure } from '../../src/graph/feature-layers.js';
import { findEnding } from '../../src/graph/find-ending.js';
import { valueLayouts } from '../../src/graph/value-layout.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Graph, Node } from '../../src/onnx/ir.js';
import { createRng } from '../../src/rng.js';
import { float32 } from '../../src/tensor/tensor.js';

/** A graph of Relu and Concat nodes, each of values not far before it. */
function randomFlow(seed: number) {
  const rng = createRng(seed);
  const b = new GraphBuilder();
  const values = [b.input('x', 'float32', [1, 4])];
  const pick = (): string => values[Math.max(0, values.length - 1 - rng.integer(6))]!;
  for (let step = 0; step < 80; step++) {
    const inputs = rng.integer(2) === 0 ? [pick()] : [pick(), pick()];
    values.push(b.op(inputs.length === 1 ? 'Relu' : 'Concat', inputs));
  }
  return {
    flow: traceData(b.model().graph, ['x']),
    values,
    pickSome: () => values.filter(() => rng.integer(3) === 0),
  };
}

describe('The data flow of a graph', () => {
  it('counts of many ends those that a value leads to as the ancestors of each end tell', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { flow, values, pickSome } = randomFlow(seed);
      const ends = [...pickSome(), ...pickSome()];
      const leading = ends.map((end) => ancestors(flow, [end]));
      const counted = countEnds(flow, ends);
      for (const value of values)
        expect(counted(value), value).to.equal(leading.filter((set) => set.has(value)).length);
    }
  });

  it('tells whether one of some values is made of another as the ancestors of each tell', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const { flow, values } = randomFlow(seed);
      const rng = createRng(seed);
      const some = Array.from({ length: 3 }, () => values[values.length - 1 - rng.integer(20)]!);
      const asked = some.some((value) => {
        const before = ancestors(flow, [value]);
        return some.some((other) => other !== value && before.has(other));
      });
      expect(isAnyMadeOfAnother(flow, some)).to.equal(asked);
    }
  });
});

describe('The work of looking for layers grows as the model does', () => {
  /** Twice the layers are to cost no more than somewhat over twice the look-ups. */
  const expectLinear = (lookUps: (layers: number) => number): void => {
    expect(lookUps(200)).to.be.below(2.5 * lookUps(100));
  };
  const shapesOf = ({ nodes }: Graph, shape: readonly number[]) =>
    new Map(nodes.flatMap(({ outputs }) => outputs.map((value) => [value, shape] as const)));
  const countProducers = (flow: DataFlow): { readonly flow: DataFlow; readonly count: () => number } => {
    let count = 0;
    const producer = (value: string): Node | undefined => (count++, flow.producer(value));
    return { flow: { ...flow, producer }, count: () => count };
  };

  it('where every layer has an output', () => {
    expectLinear((layers) => {
      const b = new GraphBuilder();
      const kernel = b.constant('kernel', float32([8, 8, 1, 1], new Float32Array(64)));
      let x = b.input('x', 'float32', [1, 8, 4, 4]);
      for (let i = 0; i < layers; i++) {
        x = b.op('Conv', [x, kernel]);
        b.output(b.op('Relu', [x]), 'float32');
      }
      const { graph } = b.model();
      const { flow, count } = countProducers(traceData(graph, ['x']));
      deepestStage(flow, valueLayouts(graph, shapesOf(graph, [1, 8, 4, 4])));
      return count();
    });
  });

  it('where many heads behind many layers are joined', () => {
    expectLinear((layers) => {
      const b = new GraphBuilder();
      const weights = b.constant('weights', float32([8, 8], new Float32Array(64)));
      let x = b.input('x', 'float32', [1, 8]);
      for (let i = 0; i < layers; i++) x = b.op('Relu', [b.op('MatMul', [x, weights])]);
      const heads = Array.from({ length: layers }, () => b.op('MatMul', [x, weights]));
      b.output(b.op('Concat', heads, { attributes: { axis: 1 } }), 'float32');
      const { graph } = b.model();
      const { flow, count } = countProducers(traceData(graph, ['x']));
      expect(findEnding(flow, valueLayouts(graph, shapesOf(graph, [1, 8])))?.feature).to.equal(x);
      return count();
    });
  });

  it('where many attentions look at maps and none has a class token', () => {
    expectLinear((layers) => {
      const b = new GraphBuilder();
      let x = b.op('Reshape', [b.input('x', 'float32', [1, 8, 4, 4]), b.ints([1, 16, 8])]);
      const weights = b.constant('weights', float32([8, 8], new Float32Array(64)));
      for (let i = 0; i < layers; i++)
        x = b.op('Add', [x, b.op('MatMul', [b.op('Attention', [x, weights]), weights])]);
      b.output(x, 'float32');
      const model = b.model();
      const shapes = new CountingMap([['x', [1, 8, 4, 4]], ...shapesOf(model.graph, [1, 16, 8])]);
      expect(analyseStructure(model, shapes).layers).to.have.length.above(layers / 2);
      return shapes.count;
    });
  });
});

class CountingMap<K, V> extends Map<K, V> {
  count = 0;

  override get(key: K): V | undefined {
    this.count++;
    return super.get(key);
  }
}
