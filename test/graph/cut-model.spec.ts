import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { cutModel } from '../../src/graph/cut-model.js';
import { exposeValues } from '../../scripts/expose-values.js';
import { mergeModels } from '../../src/graph/merge-models.js';
import { splitModel } from '../../src/graph/split-model.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import * as ir from '../../src/onnx/ir.js';
import type { TensorMap } from '../../src/runtime/session.js';
import { toHalfArray } from '../../src/tensor/float16.js';
import { checked, float32 } from '../../src/tensor/tensor.js';
import { largestDifference, randomTensor, runModel, valuesOf } from './run-model.js';
import { modelWithIf, modelWithLoop, modelWithScan } from './models-with-subgraphs.js';

const names = (values: readonly ir.ValueInfo[]): string[] => values.map(({ name }) => name);

/** The feeds that the model has inputs for. */
const pick = (model: ir.Model, feeds: TensorMap): TensorMap =>
  Object.fromEntries(model.graph.inputs.map(({ name }) => [name, feeds[name]!]));

const models: readonly {
  kind: string;
  build: () => ir.Model;
  feeds: readonly TensorMap[];
  cuts: string[][];
}[] = [
  {
    kind: 'If',
    build: modelWithIf,
    feeds: [
      { x: float32([1, 2], [1, 2]), other: float32([1, 2], [5, 7]), unused: float32([1, 2], [0, 0]) },
      { x: float32([1, 2], [-1, -2]), other: float32([1, 2], [-5, -7]), unused: float32([1, 2], [0, 0]) },
    ],
    cuts: [
      ['doubled'],
      ['shifted'],
      ['positive'],
      ['chosen'],
      ['y'],
      ['shifted', 'chosen'],
      ['sum', 'doubled'],
    ],
  },
  {
    kind: 'Loop',
    build: modelWithLoop,
    feeds: [{ x: float32([1, 2], [1, -2]) }],
    cuts: [['offset'], ['start'], ['total'], ['steps'], ['offset', 'total'], ['peak', 'offset'], ['y']],
  },
  {
    kind: 'Scan',
    build: modelWithScan,
    feeds: [{ x: randomTensor([3, 2]) }],
    cuts: [['gain'], ['running'], ['partial'], ['running', 'partial'], ['gain', 'running']],
  },
];

describe('cutModel', () => {
  for (const { kind, build, feeds, cuts } of models) {
    for (const cut of cuts) {
      it(`computes ${cut.join(' and ')} of a model with ${kind} as the whole model does`, async () => {
        for (const fed of feeds) {
          const expected = await runModel(exposeValues(build(), cut), fed);
          const part = cutModel(build(), cut);
          expect(names(part.graph.outputs)).to.deep.equal(cut);
          const outputs = await runModel(part, pick(part, fed));
          for (const name of cut) expect(largestDifference(outputs[name]!, expected[name]!)).to.equal(0);
        }
      });
    }
  }

  it('keeps weights and inputs that only a subgraph reads, and drops what nothing reads', () => {
    const { graph } = cutModel(modelWithIf(), ['chosen']);
    expect(names(graph.inputs)).to.deep.equal(['x', 'other']);
    expect([...graph.initializers.keys()]).to.include('weight');
    const earlier = cutModel(modelWithIf(), ['shifted']).graph;
    expect(names(earlier.inputs)).to.deep.equal(['x']);
    expect([...earlier.initializers.keys()]).to.deep.equal(['two', 'one']);
    expect(earlier.nodes.map(({ name }) => name)).to.deep.equal(['doubled', 'shifted']);
  });

  it('gives an output the type that its producers tell where the file says none', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float16', [2]);
    const relu = b.op('Relu', [x], { name: 'relu' });
    b.output(b.op('Shape', [relu], { name: 'shape' }), 'int64', [1]);
    const part = cutModel(b.model(), ['relu']);
    const run = await runModel(part, { x: checked('float16', [2], toHalfArray(Float32Array.of(-1, 1))) });
    expect(run.relu!.dtype).to.equal('float16');
  });

  it('keeps a declared shape', () => {
    const model = modelWithIf();
    const valueInfo = new Map([['shifted', ir.tensorValue('shifted', 'float32', ['batch', 2])]]);
    const { graph } = cutModel({ ...model, graph: { ...model.graph, valueInfo } }, ['shifted']);
    expect(graph.outputs).to.deep.equal([ir.tensorValue('shifted', 'float32', ['batch', 2])]);
    expect(graph.valueInfo.size).to.equal(0);
  });

  it('drops functions that are not called any more, and keeps those called from functions', () => {
    const definition = (name: string, called: string): ir.FunctionDefinition => ({
      name,
      domain: 'own',
      overload: '',
      docString: '',
      inputs: ['a'],
      outputs: ['b'],
      attributes: [],
      attributeDefaults: new Map(),
      nodes: [
        ir.node({ opType: called, domain: called === 'Relu' ? '' : 'own', inputs: ['a'], outputs: ['b'] }),
      ],
      opsets: new Map([
        ['', 17],
        ['own', 1],
      ]),
      valueInfo: new Map(),
      metadata: new Map(),
    });
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2]);
    const early = b.op('F', [x], { domain: 'own', name: 'early' });
    b.output(b.op('H', [early], { domain: 'own', name: 'late' }), 'float32', [2]);
    const model = b.model({
      functions: [definition('F', 'G'), definition('G', 'Relu'), definition('H', 'Relu')],
    });
    expect(cutModel(model, ['early']).functions.map(({ name }) => name)).to.deep.equal(['F', 'G']);
  });

  it('says where a value is that cannot be cut at', () => {
    const cut = (model: ir.Model, name: string) => () => cutModel(model, [name]);
    expect(cut(modelWithIf(), 'scaled'))
      .to.throw(
        GraftError,
        'The value "scaled" exists only inside a subgraph of If "choose" of the model, where no cut is possible; ' +
          'what that node computes as a whole is "chosen".',
      )
      .with.property('code', 'UNKNOWN_VALUE');
    expect(cut(modelWithLoop(), 'added/product')).to.throw(GraftError, 'is "total", "steps".');
    expect(cut(modelWithLoop(), 'total_in')).to.throw(GraftError, 'inside a subgraph of Loop "repeat"');
    expect(cut(modelWithIf(), 'x')).to.throw(GraftError, '"x" is an input of the model');
    expect(cut(modelWithIf(), 'weight')).to.throw(GraftError, '"weight" is a weight of the model');
    expect(cut(modelWithIf(), 'shiftd')).to.throw(GraftError, 'computes a value "shiftd". Near it: shifted');
  });
});

describe('splitModel', () => {
  for (const { kind, build, feeds, cuts } of models) {
    for (const cut of cuts) {
      it(`parts a model with ${kind} at ${cut.join(' and ')} so that merging gives the whole`, async () => {
        const { backbone, tail } = splitModel(build(), cut);
        const connect = Object.fromEntries(
          cut.filter((name) => names(tail.graph.inputs).includes(name)).map((name) => [name, name]),
        );
        // Inputs that both parts read are the same inputs.
        const shared = names(backbone.graph.inputs).filter((name) => names(tail.graph.inputs).includes(name));
        const whole = mergeModels(backbone, tail, {
          connect: { ...connect, ...Object.fromEntries(shared.map((name) => [name, name])) },
        });
        for (const fed of feeds) {
          const { y: expected } = await runModel(build(), fed);
          const outputs = await runModel(whole, pick(whole, fed));
          const y = outputs.y ?? outputs[names(whole.graph.outputs).at(-1)!];
          expect(largestDifference(y!, expected!)).to.equal(0);
        }
      });
    }
  }

  it('leaves a producer its other outputs', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [4]);
    const [left, right] = b.ops('Split', [x], 2, { name: 'left', attributes: { axis: 0 } });
    b.output(b.op('Sub', [left!, right!], { name: 'y' }), 'float32', [2]);
    const { tail } = splitModel(b.model(), ['left']);
    expect(names(tail.graph.inputs)).to.deep.equal(['left', 'x']);
    const { y } = await runModel(tail, { left: float32([2], [10, 20]), x: float32([4], [0, 0, 1, 2]) });
    expect(valuesOf(y!)).to.deep.equal([9, 18]);
  });
});
