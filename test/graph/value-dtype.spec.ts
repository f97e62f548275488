import { expect } from 'chai';
import { valueDtype } from '../../src/graph/value-dtype.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { openModel } from '../../src/runtime/open-model.js';
import { checked, float32, int64 } from '../../src/tensor/tensor.js';

const n1 = (b: GraphBuilder, n: string): string => b.op('Reshape', [n, b.ints([1, 1])]);

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

  it('is what onnxruntime makes of quantised numbers and of tables that are looked up in', async () => {
    const b = new GraphBuilder({ opset: 21 });
    const x = b.input('x', 'float32', [2]);
    const scale = b.scalar(0.5);
    const table = b.constant('table', checked('uint8', [2, 16], new Uint8Array(32).fill(1)));
    const rows = b.constant('rows', float32([2, 2], [1, 2, 3, 4]));
    const found = b.op('GatherBlockQuantized', [table, b.ints([0]), rows], {
      domain: 'com.microsoft',
      attributes: { bits: 4, block_size: 16, gather_axis: 0, quantize_axis: 1 },
    });
    const small = b.op('QuantizeLinear', [x, scale], { attributes: { output_dtype: 3 } });
    const plain = b.op('QuantizeLinear', [x, scale]);
    const values = [found, small, plain, b.op('DequantizeLinear', [small, scale])];
    const empty = b.graph();
    const outputs = values.map((name) => ({ name, docString: '', metadata: new Map<string, string>() }));
    const opsets = new Map([
      ['', 21],
      ['com.microsoft', 1],
    ]);
    const session = await openModel(b.model({ irVersion: 10, opsets, graph: { ...empty, outputs } }));
    try {
      const made = await session.run({ x: float32([2], [1, 2]) });
      for (const name of values) expect(valueDtype(empty, name), name).to.equal(made[name]!.dtype);
    } finally {
      await session.release();
    }
  });

  it('is what onnxruntime makes of operators that change it', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const [x, n] = [b.input('x', 'float32', [1, 2]), b.input('n', 'int64', [])];
    const double = { attributes: { dtype: 11 } };
    const yes = b.op('Greater', [x, b.scalar(0)]);
    const values = [
      b.op('CastLike', [x, n]),
      b.op('EyeLike', [x], double),
      b.op('RandomNormalLike', [x], double),
      b.op('Bernoulli', [x], { attributes: { dtype: 9 } }),
      b.op('HannWindow', [n]),
      b.op('Or', [yes, yes]),
      b.op('NonMaxSuppression', [
        b.constant('boxes', float32([1, 1, 4], [0, 0, 1, 1])),
        b.op('Reshape', [b.op('ReduceSum', [x]), b.ints([1, 1, 1])]),
      ]),
      b.ops('Unique', [x], 2)[1]!,
      b.op('Constant', [], { attributes: { value_int: 3 } }),
      b.op('Constant', [], { attributes: { value_ints: [3, 4] } }),
      b.op('Constant', [], { attributes: { value_float: { float: 3 } } }),
      b.op('ConstantOfShape', [b.ints([2])]),
      b.op('Multinomial', [x]),
      b.ops('LinearClassifier', [x], 2, {
        domain: 'ai.onnx.ml',
        attributes: {
          coefficients: { floats: [1, 1, 2, 2] },
          classlabels_ints: [0, 1],
          intercepts: { floats: [0, 1] },
        },
      })[0]!,
      b.op('Scaler', [n1(b, n)], {
        domain: 'ai.onnx.ml',
        attributes: { offset: { floats: [0] }, scale: { floats: [1] } },
      }),
    ];
    const empty = b.graph();
    const outputs = values.map((name) => ({ name, docString: '', metadata: new Map<string, string>() }));
    const model = b.model({
      opsets: new Map([
        ['', 17],
        ['ai.onnx.ml', 3],
      ]),
      graph: { ...empty, outputs },
    });
    const session = await openModel(model, { optimization: 'disabled' });
    try {
      const found = await session.run({
        x: float32([1, 2], [1, 2]),
        n: int64([], [4]),
      });
      for (const name of values) expect(valueDtype(empty, name), name).to.equal(found[name]!.dtype);
    } finally {
      await session.release();
    }
  });
});
