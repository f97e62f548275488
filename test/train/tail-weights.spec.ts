import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { float32 } from '../../src/tensor/tensor.js';
import { tailOptimizer } from '../../src/train/tail-optimizer.js';
import { buildTailGraph } from '../../src/train/tail-step.js';
import { tailWeights } from '../../src/train/tail-weights.js';
import type { Tail } from '../../src/train/tail.js';
import { randomTensor } from './tail-world.js';

/** Two layers on [n, 4], whose matrices are turned by a node or lie so. */
function layers(isTurned: boolean): Tail {
  const b = new GraphBuilder({ opset: 17 });
  const matrix = (name: string, inputs: number, outputs: number): string => {
    if (!isTurned) return b.constant(name, randomTensor([inputs, outputs], 1));
    const kept = b.constant(name, randomTensor([outputs, inputs], 1));
    return b.op('Transpose', [kept], { attributes: { perm: [1, 0] } });
  };
  const cut = b.input('cut', 'float32', ['n', 4]);
  const inner = b.op('Add', [
    b.op('MatMul', [cut, matrix('first', 4, 6)]),
    b.constant('shift', randomTensor([6], 2)),
  ]);
  b.output(b.op('MatMul', [b.op('Relu', [inner]), matrix('second', 6, 3)]), 'float32', ['n', 3], 'features');
  return { model: b.model(), crossing: [{ name: 'cut', dims: [4] }], output: 'features', dim: 3 };
}

describe('The weights that unfreezing trains', () => {
  it('lie as deep behind a node that turns them as without it', async () => {
    const options = { head: { kind: 'linear' }, task: 'single', outputCount: 2 } as const;
    const depths = async (isTurned: boolean) => (await buildTailGraph(layers(isTurned), options)).depthOf;
    expect([...(await depths(true))]).to.have.deep.members([...(await depths(false))]);
    expect(Object.fromEntries(await depths(true))).to.deep.equal({ first: 2, shift: 1, second: 0 });
  });

  it('decay where they are matrices and kernels, not where they are scales that lie along the channels', () => {
    const parameters = new Map(
      [[3, 2], [3, 2, 1, 1], [3, 1, 1], [1, 3, 1, 1], [3]].map((dims) => [
        dims.join(),
        randomTensor(dims, 1, 0, 1),
      ]),
    );
    const depths = new Map([...parameters.keys()].map((name) => [name, 0]));
    const rates = { lr: 1, tailLr: 1, layerDecay: 1, headDecay: 0, clipNorm: 1, ema: 0 };
    tailOptimizer(parameters, depths, new Set(), { ...rates, weightDecay: 0.5 }).step(1, 1);
    const decayed = [...parameters].filter(([, { data }]) => data[0] !== 1).map(([name]) => name);
    expect(decayed).to.deep.equal(['3,2', '3,2,1,1']);
  });

  it('are no scales of 1 and shifts of 0, as exporters write them for a GroupNorm, whose own follow', () => {
    const b = new GraphBuilder({ opset: 17 });
    const cut = b.input('cut', 'float32', ['n', 4, 6]);
    const filled = (name: string, value: number): string => b.constant(name, float32([2], [value, value]));
    const groups = b.op('Reshape', [cut, b.ints([0, 2, -1])]);
    const normal = b.op('InstanceNormalization', [groups, filled('ones', 1), filled('zeros', 0)]);
    const maps = b.op('Reshape', [normal, b.ints([0, 4, 6])]);
    const own = b.op('Mul', [maps, b.constant('scale', randomTensor([4, 1], 1))]);
    const half = b.op('InstanceNormalization', [
      b.op('Reshape', [own, b.ints([0, 2, -1])]),
      filled('halves', 0.5),
      b.constant('shift', randomTensor([2], 2)),
    ]);
    b.output(
      b.op('ReduceMean', [half], { attributes: { axes: [2], keepdims: 0 } }),
      'float32',
      ['n', 2],
      'features',
    );
    const crossing = [{ name: 'cut', dims: [4, 6] }];
    expect(tailWeights({ model: b.model(), crossing, output: 'features', dim: 2 })).to.deep.equal([
      'scale',
      'halves',
      'shift',
    ]);
  });

  it('are no row of numbers that meets positions alone, as the frequencies of rotary positions do', () => {
    const b = new GraphBuilder({ opset: 17 });
    const cut = b.input('cut', 'float32', ['n', 'steps', 4]);
    const places = b.op('Cast', [b.op('Shape', [cut])], { attributes: { to: 1 } });
    const column = b.op('Reshape', [places, b.ints([3, 1])]);
    const angles = b.op('Mul', [column, b.constant('frequencies', randomTensor([4], 1))]);
    const turned = b.op('Mul', [cut, b.op('Cos', [angles])]);
    const scaled = b.op('Mul', [turned, b.constant('scale', randomTensor([4], 2))]);
    const table = b.constant('table', randomTensor([1, 3, 2], 3));
    const learned = b.op('MatMul', [table, b.constant('matrix', randomTensor([2, 4], 4))]);
    b.output(b.op('Add', [scaled, learned]), 'float32', ['n', 'steps', 4], 'features');
    const crossing = [{ name: 'cut', dims: [3, 4] }];
    expect(tailWeights({ model: b.model(), crossing, output: 'features', dim: 4 }))
      .to.include.members(['scale', 'matrix'])
      .and.not.to.include('frequencies');
  });
});
