import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { unrollLoops } from '../../src/graph/unroll-loops.js';
import type { Model } from '../../src/onnx/ir.js';
import * as ir from '../../src/onnx/ir.js';
import { writeModel } from '../../src/onnx/write-model.js';
import { writeGradients } from '../../src/pipeline/write-gradients.js';
import { float32 } from '../../src/tensor/tensor.js';
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

const outputsOf = (model: Model): Promise<unknown> =>
  runModel(model, { x: float32([2, 2], [0.5, -1, 2, 3]) });

const operators = ({ graph }: Model): string[] => graph.nodes.map(({ opType }) => opType);

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
