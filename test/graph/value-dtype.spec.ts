import { expect } from 'chai';
import { valueDtype } from '../../src/graph/value-dtype.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { float32, int64 } from '../../src/tensor/tensor.js';

describe('The type of a value that the file does not tell', () => {
  it('is that of the table for a fused embedding, and of their own for second outputs', () => {
    const b = new GraphBuilder();
    const [ids, mask] = ['ids', 'mask'].map((name) => b.input(name, 'int32', ['batch', 'length']));
    const table = b.constant('table', float32([4, 2], [1, 2, 3, 4, 5, 6, 7, 8]));
    const row = b.constant('row', float32([2], [1, 1]));
    const microsoft = { domain: 'com.microsoft' };
    const inputs = [ids!, '', table, table, '', row, row, mask!];
    const [x, count] = b.ops('EmbedLayerNormalization', inputs, 2, microsoft);
    const [pooled, places] = b.ops('MaxPool', [x!], 2, { attributes: { kernel_shape: [1] } });
    const [most, indices] = b.ops('TopK', [pooled!, b.constant('k', int64([1], [1]))], 2);
    const [kept, isKept] = b.ops('Dropout', [most!], 2);
    const types = [x, count, pooled, places, most, indices, kept, isKept].map((value) =>
      valueDtype(b.graph(), value!),
    );
    const float = 'float32';
    expect(types).to.deep.equal([float, 'int32', float, 'int64', float, 'int64', float, 'bool']);
  });
});
