import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type * as ir from '../../src/onnx/ir.js';
import { explainRefusal } from '../../src/runtime/explain-refusal.js';
import { openModel } from '../../src/runtime/open-model.js';
import { float32, int64 } from '../../src/tensor/tensor.js';

/** x → two Relus of the given fields → y */
function model(fields: Partial<ir.Node> = {}, whole: Partial<ir.Model> = {}): ir.Model {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [2]);
  b.output(b.op('Relu', [b.op('Relu', [x], { name: 'first' })], { name: 'second' }), 'float32', [2], 'y');
  const nodes = b.nodes.map((row) => (row.opType === 'Relu' ? { ...row, ...fields } : row));
  return { ...b.model(whole), graph: { ...b.graph(), nodes } };
}

const opsets = (entries: readonly (readonly [string, number])[]) => ({ opsets: new Map(entries) });

/** What is said of a model, and words that it holds. */
const refused: Readonly<Record<string, readonly [ir.Model, RegExp]>> = {
  'a newer file format': [model({}, { irVersion: 99 }), /IR version 99 .* up to \d+\. Export it/],
  'a newer operator set': [model({}, opsets([['', 99]])), /operator set 99 of ai\.onnx.*opset_version=\d+/],
  'an unknown operator': [model({ opType: 'Reelu' }), /no operator Reelu \(node "first"\) in operator set 17/],
  'a custom operator': [
    model({ opType: 'Fancy', domain: 'mine' }, opsets([['', 17], ['mine', 1]])), // prettier-ignore
    /operator Fancy of the domain mine .*--layer/,
  ],
  'a domain that is not imported': [
    model({ opType: 'Fancy', domain: 'mine' }),
    /node "first" \(Fancy\) is of the domain mine, .*opset_import/,
  ],
  'two nodes of one name': [model({ name: 'same' }), /two of its nodes are named "same"/],
  'an operator set too old for the runtime': [model({}, opsets([['', 1]])), /no Relu of operator set 1 .*"first"/],
  'a classifier without numbers, in one line': [
    model({ opType: 'LinearRegressor', domain: 'ai.onnx.ml' }, opsets([['', 17], ['ai.onnx.ml', 1]])), // prettier-ignore
    /the model on cpu: Exception during initialization: No attribute with this name is defined\.$/,
  ],
  'a constant without a value, in one line': [
    model({ opType: 'Constant', inputs: [] }),
    /the model on cpu: Constant node: first has no data attributes$/,
  ],
}; // prettier-ignore

describe('A model that ONNX Runtime does not take', () => {
  for (const [reason, [given, words]] of Object.entries(refused)) {
    it(`is told what is wrong and where: ${reason}`, async () => {
      const message = await openModel(given).then(
        () => 'It is taken.',
        (error: Error) => error.message,
      );
      expect(message)
        .to.match(words)
        .and.not.match(/\n|\.cc:|onnxruntime_src/);
    });
  }

  it('is told without the condition that failed inside a nameless function', () => {
    // As onnxruntime-node 1.30 says it where there is no graphics adapter.
    const said =
      '/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters.';
    expect(explainRefusal(said)).to.equal('Failed to get a WebGPU adapter: No supported adapters.');
  });

  it('is told without the place in the sources of ONNX Runtime where it fails in a run', async () => {
    const b = new GraphBuilder();
    const shape = b.input('shape', 'int64', [1]);
    b.output(b.op('Reshape', [b.constant('x', float32([2], [1, 2])), shape]), 'float32', [null], 'y');
    const session = await openModel(b.model());
    const message = await session.run({ shape: int64([1], [3]) }).then(
      () => 'It runs.',
      (error: Error) => error.message,
    );
    await session.release();
    expect(message)
      .to.match(/while running Reshape node.*cannot be reshaped/)
      .and.not.match(/\n|\.cc:|onnxruntime_src/);
  });
});
