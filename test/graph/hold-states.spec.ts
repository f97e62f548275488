import { expect } from 'chai';
import { explainNoLayers } from '../../src/graph/explain-no-layers.js';
import { traceData } from '../../src/graph/data-flow.js';
import { freeBatch } from '../../src/graph/free-batch.js';
import { holdStates, stateInputs } from '../../src/graph/hold-states.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { type Dimension, type Model, node } from '../../src/onnx/ir.js';
import { analyseModel } from '../../src/pipeline/analyse-model.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { float32, int64 } from '../../src/tensor/tensor.js';
import { largestDifference, randomTensor, runModel } from './run-model.js';

interface LstmOptions {
  /** Of the sequences [batch, steps, 4]. */
  readonly batch: Dimension;
  readonly stateShape: readonly [number, Dimension, number];
  /** Whether h and c come as one input [2, batch, 2]. */
  readonly isStacked?: boolean;
  /** Whether the examples are the steps of one sequence. */
  readonly isOverBatch?: boolean;
}

/** An LSTM that is given its states, gives them back, and a classifier of 3 classes on its last step. */
function lstm({ batch, stateShape, isStacked = false, isOverBatch = false }: LstmOptions): Model {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [batch, isOverBatch ? 1 : 3, 4]);
  const inputs = (isStacked ? ['state'] : ['h', 'c']).map((name) => b.input(name, 'float32', stateShape));
  const states = isStacked
    ? [0, 1].map((i) => {
        const row = b.op('Gather', [inputs[0]!, b.ints([i])], { attributes: { axis: 0 } });
        return b.op('Identity', [row]);
      })
    : inputs;
  const steps = isOverBatch ? b.op('Relu', [x]) : b.op('Transpose', [x], { attributes: { perm: [1, 0, 2] } });
  const weights = [randomTensor([1, 8, 4], 7), randomTensor([1, 8, 2], 8)].map((w) => b.constant('w', w));
  const [, last, cell] = b.ops('LSTM', [steps, ...weights, '', '', ...states], 3, {
    attributes: { hidden_size: 2 },
  });
  const vector = b.op('Squeeze', [last!, b.ints([0])]);
  b.output(b.op('MatMul', [vector, b.constant('head', randomTensor([2, 3], 9))]), 'float32', undefined, 'y');
  for (const [i, name] of inputs.entries()) b.output([last!, cell!][i]!, 'float32', undefined, `${name}n`);
  return b.model();
}

const batch3 = randomTensor([3, 3, 4], 5);

describe('holdStates', () => {
  it('follows an input through a chain of any length', () => {
    const b = new GraphBuilder();
    let value = b.input('x', 'float32', ['N', 4]);
    for (let i = 0; i < 20_000; i++) value = b.op('Identity', [value]);
    b.output(value, 'float32', undefined, 'y');
    expect(stateInputs(b.model())).to.deep.equal([]);
  });

  const cases: Readonly<Record<string, LstmOptions>> = {
    'two states of the batch': { batch: 'N', stateShape: [1, 'N', 2] },
    'two states, the batch fixed to 1': { batch: 1, stateShape: [1, 1, 2] },
    'states stacked in one input': { batch: 'N', stateShape: [2, 'N', 2], isStacked: true },
  };
  for (const [what, options] of Object.entries(cases)) {
    it(`lets a batch run as with states of zero that are fed: ${what}`, async () => {
      const given = lstm(options);
      const held = holdStates(given);
      expect(held.graph.inputs.map(({ name }) => name)).to.deep.equal(['x']);
      const freed = freeBatch(held, await probeShapes(held));
      const { y } = await runModel(freed, { x: batch3 });
      const [rows] = options.stateShape;
      const zeros = float32([rows, 3, 2], new Float32Array(rows * 6));
      const free = lstm({ ...options, batch: 'N', stateShape: [rows, 'N', 2] });
      const states = Object.fromEntries(stateInputs(free).map((name) => [name, zeros]));
      const expected = await runModel(free, { x: batch3, ...states });
      expect(largestDifference(y!, expected.y!)).to.be.at.most(1e-6);
    });
  }

  it('leaves a model without states as it is', () => {
    const b = new GraphBuilder();
    b.output(b.op('Relu', [b.input('h', 'float32', ['N', 4])]), 'float32', ['N', 2], 'y');
    const model = b.model();
    expect(holdStates(model)).to.equal(model);
  });
});

describe('the layers of a model that is no plain network', () => {
  it('end before a recurrence that takes the examples for the steps of a sequence', async () => {
    const model = holdStates(lstm({ batch: 'N', stateShape: [1, 1, 2], isOverBatch: true }));
    const { layers } = await analyseModel(model);
    expect(layers.map(({ name, recommended }) => [name, recommended])).to.deep.equal([['Relu', true]]);
  });

  it('are found behind a one-hot encoding of ids', async () => {
    const b = new GraphBuilder();
    const ids = b.op('Unsqueeze', [b.input('ids', 'int64', ['N', 6]), b.ints([2])]);
    const all = b.constant('all', int64([1, 1, 5], [0, 1, 2, 3, 4]));
    const hot = b.op('Cast', [b.op('Equal', [ids, all])], { attributes: { to: 1 } });
    const embedded = b.op('MatMul', [hot, b.constant('table', randomTensor([5, 8], 2))]);
    const pooled = b.op('ReduceMean', [b.op('Relu', [embedded])], {
      name: 'pooled',
      attributes: { axes: [1], keepdims: 0 },
    });
    b.output(b.op('MatMul', [pooled, b.constant('head', randomTensor([8, 3], 3))]), 'float32', ['N', 3], 'y');
    const { layers } = await analyseModel(b.model());
    expect(layers.find(({ recommended }) => recommended)).to.include({ name: 'pooled', dim: 8 });
  });

  it('are missed with the reason: no weights, or weights in a branch', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['N', 3]);
    b.output(b.op('Exp', [x]), 'float32', ['N', 3], 'y');
    const { obstacle } = await analyseModel(b.model());
    expect(obstacle).to.match(/^Nothing in it multiplies data by weights/);
    const body = new GraphBuilder({ taken: ['x'] });
    body.output(body.op('MatMul', ['x', body.constant('w', randomTensor([4, 2], 1))]), 'float32');
    const outer = new GraphBuilder();
    const input = outer.input('x', 'float32', ['N', 4]);
    const is = outer.op('Greater', [outer.op('ReduceMax', [input]), outer.scalar(0)]);
    const branch = { kind: 'graph', value: body.graph() } as const;
    const attributes = new Map([
      ['then_branch', branch],
      ['else_branch', branch],
    ]);
    outer.nodes.push(node({ opType: 'If', name: 'choice', inputs: [is], outputs: ['y'], attributes }));
    expect(explainNoLayers(traceData(outer.graph(), ['x']))).to.contain('branches of If "choice"');
  });
});
