import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import * as ir from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { prepareTail } from '../../src/pipeline/prepare-tail.js';
import { settleBranches } from '../../src/pipeline/settle-branches.js';
import { float32, int64 } from '../../src/tensor/tensor.js';
import { buildTailGraph } from '../../src/train/tail-step.js';
import { largestDifference, randomTensor, runModel } from '../graph/run-model.js';

const branch = (fields: Pick<ir.Graph, 'nodes'> & Partial<ir.Graph>, output: string): ir.Attribute => ({
  kind: 'graph',
  value: ir.graph({ name: output, inputs: [], outputs: [ir.tensorValue(output, 'float32')], ...fields }),
});

/**
 * image [batch, 3, 32, 32] → mixed [batch, 8, 16, 16] → a chain of If, each of which scales or shifts → Conv → mean. The
 * Ifs ask: for constants (computed), and inside that for channels; for the batch; for the data.
 */
function modelWithBranches(width: ir.Dimension = 32): ir.Model {
  const b = new GraphBuilder();
  const image = b.input('image', 'float32', ['batch', 3, 32, width]);
  const kernel = b.constant('kernel', randomTensor([8, 3, 3, 3]));
  let x = b.op('Conv', [image, kernel], {
    name: 'mixed',
    attributes: { pads: [1, 1, 1, 1], strides: [2, 2] },
  });
  const size = (axis: number): string =>
    b.op('Gather', [b.op('Shape', [x]), b.constant(`axis${axis}`, int64([], [axis]))]);
  const is = (value: string, wanted: number): string =>
    b.op('Equal', [value, b.constant('wanted', int64([], [wanted]))]);
  const choose = (condition: string, name: string, then: ir.Node[] = []): void => {
    const scale = new GraphBuilder();
    scale.constant(
      `scale`,
      float32(
        [8, 1, 1],
        Array.from({ length: 8 }, (_, i) => i - 3),
      ),
    );
    const scaled = ir.node({ opType: 'Mul', name: 't', inputs: [x, 'scale'], outputs: ['t'] });
    const same = ir.node({ opType: 'LeakyRelu', name: 'out', inputs: ['t'], outputs: ['out'] });
    const other = ir.node({ opType: 'Neg', name: 'out', inputs: [x], outputs: ['out'] });
    const inner = then.length > 0 ? then : [scaled, same];
    const attributes = new Map([
      [
        'then_branch',
        branch({ nodes: inner, ...(inner[0] === scaled && { initializers: scale.initializers }) }, 'out'),
      ],
      ['else_branch', branch({ nodes: [other] }, 'out')],
    ]);
    b.nodes.push(ir.node({ opType: 'If', name, inputs: [condition], outputs: [name], attributes }));
    x = name;
  };
  const channels = is(size(1), 8);
  choose(channels, 'by channels');
  const inner = b.nodes.pop()!;
  x = 'mixed';
  const constant = is(b.constant('three', int64([], [3])), 3);
  choose(constant, 'by constants', [{ ...inner, outputs: ['out'] }]);
  choose(b.op('Not', [channels]), 'by channels again');
  choose(is(size(0), 1), 'by batch');
  choose(b.op('Greater', [b.op('ReduceSum', [x], { attributes: { keepdims: 0 } }), b.scalar(0)]), 'by data');
  const last = b.op('Conv', [x, b.constant('last/kernel', randomTensor([8, 8, 3, 3], 5))], { name: 'last' });
  b.output(b.op('Flatten', [b.op('GlobalAveragePool', [last])], { name: 'pooled' }), 'float32', ['batch', 8]);
  return b.model();
}

const branchesOf = ({ graph }: ir.Model): string[] =>
  graph.nodes.filter(({ opType }) => opType === 'If').map(({ name }) => name);

describe('settleBranches', () => {
  it('takes the branches that constants and channels choose, and leaves those that batch and data do', async () => {
    const model = modelWithBranches();
    const settled = await settleBranches(model);
    expect(branchesOf(settled)).to.deep.equal(['by batch', 'by data']);
    for (const count of [1, 2, 3]) {
      const image = randomTensor([count, 3, 32, 32], count);
      const expected = await runModel(model, { image });
      const { pooled } = await runModel(settled, { image });
      expect(largestDifference(pooled!, expected['pooled']!)).to.equal(0);
    }
  });

  it('leaves what sizes choose where the file does not say the size', async () => {
    const settled = await settleBranches(modelWithBranches('width'), { imageSize: 32 });
    expect(branchesOf(settled)).to.deep.equal([
      'by constants/by channels',
      'by channels again',
      'by batch',
      'by data',
    ]);
  });

  it('lets a tail train through a known branch, weights inside it too, and refuses what stays', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'graft-test-'));
    try {
      const file = path.join(folder, 'branches.onnx');
      const model = modelWithBranches();
      // Without those that stay.
      const nodes = model.graph.nodes.map((row) =>
        row.name === 'last' ? { ...row, inputs: ['by channels again', row.inputs[1]!] } : row,
      );
      writeFileSync(file, encodeModel({ ...model, graph: { ...model.graph, nodes } }));
      const prepare = () =>
        prepareBackbone({ backbone: file, layer: 'pooled' }, { folder: path.join(folder, 'backbones') });
      const build = async () =>
        buildTailGraph((await prepareTail(await prepare(), 'mixed')).tail, {
          head: { kind: 'linear' },
          task: 'single',
          outputCount: 2,
        });
      expect([...(await build()).weights.keys()]).to.have.members([
        'last/kernel',
        'by constants/by channels/scale',
      ]);
      writeFileSync(file, encodeModel(model));
      const refusal = await build().then(
        () => '',
        (error: Error) => error.message,
      );
      expect(refusal).to.match(
        /If "by batch"[^]*If "by data"[^]*Everything after "by data" can be differentiated/,
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
