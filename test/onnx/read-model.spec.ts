import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { encodeMessage } from '../../src/onnx/encode-message.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { modelToProto } from '../../src/onnx/model-to-proto.js';
import { modelType } from '../../src/onnx/onnx-schema.js';
import { decodeModel, readModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { checked, float32 } from '../../src/tensor/tensor.js';
import { field, model, number } from './encode-raw.js';

describe('reading a model', () => {
  it('copies no weight: each is a view into the file', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'graft-read-'));
    try {
      const b = new GraphBuilder();
      b.constant('w', float32([300, 7], new Float32Array(2100).fill(2)));
      b.constant('q', checked('int8', [5000], new Int8Array(5000).fill(-3)));
      const attributes = { value: { ...b.initializers.get('q')!, name: 'in a node' } };
      b.op('Constant', [], { attributes });
      const bytes = encodeModel(b.model());
      const file = path.join(folder, 'm.onnx');
      await writeFile(file, bytes);
      const { graph } = await readModel(file);
      const constant = graph.nodes[0]!.attributes.get('value')!;
      const tensors = [
        ...graph.initializers.values(),
        ...(constant.kind === 'tensor' ? [constant.value] : []),
      ];
      const buffers = tensors.map(({ content }) => content.kind === 'raw' && content.bytes.buffer);
      expect(buffers).to.have.length(3);
      expect(new Set(buffers).size).to.equal(1);
      expect(buffers[0]).to.have.property('byteLength', bytes.length);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('copies none either where the weights are typed data', () => {
    const floats = Buffer.from(new Float32Array(100).fill(3).buffer);
    const doubles = Buffer.from(new Float64Array(100).fill(3).buffer);
    const bytes = model(
      field(5, number(1, 100), number(2, 1), field(8, 'f'), field(4, floats)),
      field(5, number(1, 100), number(2, 11), field(8, 'd'), field(10, doubles)),
    );
    const { initializers } = decodeModel(bytes, { path: 'm.onnx' }).graph;
    for (const { content } of initializers.values()) {
      expect(content.kind === 'raw' && content.bytes.buffer).to.equal(bytes.buffer);
    }
  });

  it('tells a value that two nodes make from a cycle, and a missing operator set from damage', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2]);
    b.output(b.op('Tanh', [b.op('Relu', [x], { name: 'r' })], { name: 't' }), 'float32', [2], 'y');
    const nodes = b.nodes.map((row) => (row.opType === 'Tanh' ? { ...row, outputs: ['r'] } : row));
    const twice = encodeModel({ ...b.model(), graph: { ...b.graph(), nodes } });
    expect(() => decodeModel(twice, { path: 'm.onnx' })).to.throw(
      /defines the value "r" twice, again by Tanh "t"/,
    );
    const bare = encodeModel(b.model({ opsets: new Map() }));
    expect(() => decodeModel(bare, { path: 'm.onnx' })).to.throw(/opset_import is empty/);
  });

  it('takes a size of -1, as older exporters write it, for an open one', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [-1, 3, -1, 8]);
    b.output(b.op('Relu', [x]), 'float32', [-1, 3, -1, 8], 'y');
    const { inputs, outputs } = decodeModel(encodeModel(b.model()), { path: 'm.onnx' }).graph;
    const shapes = [...inputs, ...outputs].map(({ type }) => type?.kind === 'tensor' && type.shape);
    expect(shapes).to.deep.equal(Array(2).fill([null, 3, null, 8]));
  });

  it('copies none when it is written either: large ones are pieces of their own', () => {
    const b = new GraphBuilder();
    const data = new Float32Array(5000).fill(1);
    b.constant('w', float32([5000], data));
    const { pieces } = encodeMessage(modelType, modelToProto(b.model()));
    expect(pieces.some((piece) => piece instanceof Uint8Array && piece.buffer === data.buffer)).to.equal(
      true,
    );
  });
});
