import { rm } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { writeModel } from '../../src/onnx/write-model.js';
import type { GradientReport } from '../../src/pipeline/write-gradients.js';
import { temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

describe('graft gradient', () => {
  const folder = temporaryFolder();
  after(() => rm(folder, { recursive: true }));

  it('takes --input-shape for several inputs in one flag or in a flag for each', async () => {
    const net = path.join(folder, 'net.onnx');
    const b = new GraphBuilder();
    const [x, y] = [
      b.input('x', 'float32', ['rows', 'shared']),
      b.input('y', 'float32', ['shared', 'columns']),
    ];
    b.output(b.op('ReduceSum', [b.op('MatMul', [x, y])], { name: 'loss' }), 'float32', [1, 1]);
    await writeModel(b.model(), net);
    const out = path.join(folder, 'out.onnx');
    for (const shapes of [['x=2,3 y=3,4'], ['x=2,3', 'y=3,4']]) {
      const flags = shapes.flatMap((shape) => ['--input-shape', shape]);
      const report = await graftJsonHere<GradientReport>([
        'gradient',
        net,
        '--wrt',
        'x',
        '--out',
        out,
        ...flags,
      ]);
      expect(report.inputShapes).to.deep.equal({ x: [2, 3], y: [3, 4] });
    }
  });

  it('takes no size out of nothing', async () => {
    for (const shape of ['x=', 'x=2,,3', 'x=2,', '=2,3', 'x=2.5', 'x=1e3', 'x']) {
      const { status, stderr } = await graftHere(['gradient', 'net.onnx', '--check', '--input-shape', shape]);
      expect(stderr).to.include(`Expected NAME=2,3,224,224 for --input-shape but received "${shape}".`);
      expect(status).to.equal(2);
    }
  });
});
