import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { toAttribute } from '../../src/onnx/attributes.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { openModel } from '../../src/runtime/open-model.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { unrollLoops } from '../../src/graph/unroll-loops.js';
import type { Model } from '../../src/onnx/ir.js';
import * as ir from '../../src/onnx/ir.js';
import { writeModel } from '../../src/onnx/write-model.js';
import { writeGradients } from '../../src/pipeline/write-gradients.js';
import { float32, int64 } from '../../src/tensor/tensor.js';
import { runModel } from './run-model.js';
import { modelWithLoop } from './models-with-subgraphs.js';

/** The loop under another count and operator set. */
function loop({ opset = 17, isCounted = true } = {}): Model {
  const model = modelWithLoop();
  const initializers = new Map(model.graph.initializers);
  if (isCounted) return { ...model, opsets: new Map([['', opset]]) };
  initializers.delete('count');
  const inputs = [...model.graph.inputs, ir.tensorValue('count', 'int64', [])];
  return { ...model, graph: { ...model.graph, initializers, inputs } };
}

const step = (within: string): ir.Node =>
  ir.node({ opType: 'Relu', inputs: [`${within}/in`], outputs: [`${within}/out`] });

/** A Loop over one value that `steps` take from `name/in` to `name/out`; without `rounds` it has no number of them. */
function repeat(name: string, rounds: number | undefined, steps: readonly ir.Node[]): ir.Node {
  const [round, going] = [`${name}/round`, `${name}/going`];
  const last = steps.at(-1)!.outputs[0]!;
  const body = ir.graph({
    // An inner loop takes the state of the outer one.
    nodes: steps.map((row) =>
      row.opType === 'Loop' ? { ...row, inputs: [...row.inputs.slice(0, 2), `${name}/in`] } : row,
    ),
    inputs: [
      ir.tensorValue(round, 'int64', []),
      ir.tensorValue(going, 'bool', []),
      ir.tensorValue(`${name}/in`, 'float32'),
    ],
    outputs: [ir.tensorValue(going, 'bool', []), ir.tensorValue(last, 'float32')],
  });
  return ir.node({
    opType: 'Loop',
    name,
    inputs: [rounds === undefined ? '' : `rounds/${rounds}`, '', 'x'],
    outputs: [`${name}/result`],
    attributes: new Map([['body', toAttribute(body)]]),
  });
}

function looped(loopNode: ir.Node): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.input('x', 'float32', [2]);
  for (const rounds of [1e9, 9000, 12_000, 3, 4, 5]) b.constant(`rounds/${rounds}`, int64([], [rounds]));
  b.nodes.push(loopNode);
  b.output(b.op('Relu', loopNode.outputs), 'float32', [2], 'y');
  return b.model();
}

const outputsOf = (model: Model): Promise<unknown> =>
  runModel(model, { x: float32([2, 2], [0.5, -1, 2, 3]) });

const operators = ({ graph }: Model): string[] => graph.nodes.map(({ opType }) => opType);

/** Doubles x until its sum reaches the limit; the condition is computed in each round. */
function doubledUntil(limit: number): Model {
  const value = (opType: string, inputs: string[], output: string): ir.Node =>
    ir.node({ opType, inputs, outputs: [output] });
  const { attributes, ...row } = repeat('grow', undefined, [value('Add', ['grow/in', 'grow/in'], 'grown')]);
  const { value: body } = attributes.get('body') as { value: ir.Graph };
  const grow = toAttribute({
    ...body,
    nodes: [
      ...body.nodes,
      ir.node({
        opType: 'ReduceSum',
        inputs: ['grown'],
        outputs: ['sum'],
        attributes: new Map([['keepdims', toAttribute(0)]]),
      }),
      value('Less', ['sum', 'limit'], 'going'),
    ],
    outputs: [ir.tensorValue('going', 'bool', []), body.outputs[1]!],
  });
  const model = looped({ ...row, attributes: new Map([['body', grow]]) });
  const b = new GraphBuilder();
  b.constant('limit', float32([], [limit]));
  const initializers = new Map([...model.graph.initializers, ...b.initializers]);
  return { ...model, graph: { ...model.graph, initializers } };
}

describe('A loop that ends by what it computes', () => {
  it('is run where it ends, and refused by its name where it goes on and on', async () => {
    const feeds = { x: float32([2], [1, 2]) };
    const session = await openModel(doubledUntil(100));
    try {
      expect((await session.run(feeds)).y).to.deep.equal(float32([2], [64, 128]));
    } finally {
      await session.release();
    }
    const failure = await probeShapes(doubledUntil(Infinity), { feeds: { x: float32([2], [0, 0]) } }).catch(
      String,
    );
    expect(failure).to.include('Loop "grow" went on for').and.include('condition');
  });
});

describe('A loop with a constant number of rounds', () => {
  for (const opset of [11, 17]) {
    it(`gives the same when its rounds are written out (opset ${opset})`, async () => {
      const model = loop({ opset });
      const unrolled = { ...model, graph: unrollLoops(model.graph, opset) };
      expect(operators(model)).to.include('Loop');
      expect(operators(unrolled)).not.to.include('Loop');
      expect(operators(unrolled).filter((operator) => operator === 'If')).to.have.length(3);
      expect(await outputsOf(unrolled)).to.deep.equal(await outputsOf(model));
    });
  }

  it('stays where the number is an input', () => {
    const { graph } = loop({ isCounted: false });
    expect(unrollLoops(graph, 17)).to.equal(graph);
  });

  it('stays where the rounds of the loops inside it would multiply', () => {
    const nested = repeat('outer', 9000, [repeat('inner', 9000, [step('inner')])]);
    const { graph } = looped(nested);
    expect(unrollLoops(graph, 17)).to.equal(graph);
    const few = looped(repeat('outer', 3, [repeat('inner', 4, [step('inner')])]));
    expect(operators({ ...few, graph: unrollLoops(few.graph, 17) })).to.include.members(['Relu']);
  });

  it('is refused before it is run where that would take forever', async () => {
    const refusal = (model: Model): Promise<string> =>
      probeShapes(model).then(
        () => '',
        (error: Error) => error.message,
      );
    expect(await refusal(looped(repeat('long', 1e9, [step('long')])))).to.include(
      '"long" takes 1,000,000,000 rounds',
    );
    const nested = repeat('outer', 9000, [repeat('inner', 12_000, [step('inner')])]);
    expect(await refusal(looped(nested))).to.include('"inner" takes 12,000 rounds');
    expect(await refusal(looped(repeat('endless', undefined, [step('endless')])))).to.include(
      '"endless" never ends',
    );
    expect(await refusal(looped(repeat('short', 5, [step('short')])))).to.equal('');
  });

  it('has gradients that agree with finite differences', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'graft-loop-'));
    try {
      const file = path.join(folder, 'loop.onnx');
      await writeModel(loop(), file);
      const { check, checkTogether } = await writeGradients({
        model: file,
        inputShapes: { x: [2, 2] },
        check: true,
      });
      expect(check!.map(({ name }) => name)).to.include('factor');
      for (const { name, maxRelativeError } of check!) expect(maxRelativeError, name).to.be.below(1e-5);
      expect(checkTogether!.relativeError).to.be.below(1e-5);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
