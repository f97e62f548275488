import { expect } from 'chai';
import { exportHead, exportModel } from '../../src/export/export-model.js';
import type { TrainedHead } from '../../src/heads/head.js';
import { parsePreprocess } from '../../src/models/read-preprocess.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { float32 } from '../../src/tensor/tensor.js';
import { packageVersion } from '../../src/version.js';

const head: TrainedHead = {
  spec: { kind: 'linear' },
  task: 'single',
  dim: 2,
  classes: ['a', 'b'],
  parameters: new Map([
    ['head/weight', float32([2, 2], [1, 0, 0, 1])],
    ['head/bias', float32([2], [0, 0])],
  ]),
};

describe('an exported model', () => {
  it('says which program of which version made it, with a backbone and without', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['batch', 2]);
    b.output(b.op('Relu', [x], { name: 'features' }), 'float32', ['batch', 2]);
    const preprocess = parsePreprocess({ resize: { width: 1, height: 2 } }, 'a spec');
    const metadata = {
      ...{ labels: head.classes, task: head.task, layer: 'features', pool: 'none', backboneSha256: '' },
      input: { kind: 'pixels', name: 'x', preprocess },
    } as const;
    const merged = exportModel({ features: b.model(), featuresOutput: 'features', head, metadata });
    for (const model of [merged, exportHead(head)]) {
      const { producerName, producerVersion } = decodeModel(encodeModel(model), { path: 'model.onnx' });
      expect([producerName, producerVersion]).to.deep.equal(['onnx-graft', packageVersion()]);
    }
  });
});
