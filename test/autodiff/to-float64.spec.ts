import { expect } from 'chai';
import { float64Forms } from '../../src/autodiff/float64-forms/index.js';
import { toDouble, toFloat64 } from '../../src/autodiff/to-float64.js';
import type { AttributeInput } from '../../src/onnx/attributes.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32, type Tensor } from '../../src/tensor/tensor.js';

interface FormCase {
  readonly op: string;
  readonly inputs: readonly (readonly number[])[];
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
  readonly opset?: number;
  /** Third input of Resize. */
  readonly scales?: readonly number[];
}

const image = [2, 4, 7, 6];
const elementwise = ['Erf', 'Gelu', 'Elu', 'Selu', 'Celu', 'LeakyRelu', 'ThresholdedRelu', 'HardSigmoid'];
const cases: readonly FormCase[] = [
  ...[
    ...elementwise,
    'HardSwish',
    'Softplus',
    'Softsign',
    'Mish',
    'Tan',
    'Atan',
    'Asinh',
    'Sinh',
    'Cosh',
    'Shrink',
  ].map((op) => ({
    op,
    inputs: [[3, 5]],
    opset: 20,
  })),
  { op: 'Swish', inputs: [[3, 5]], attributes: { alpha: { float: 1.5 } }, opset: 24 },
  { op: 'Gelu', inputs: [[3, 5]], attributes: { approximate: 'tanh' }, opset: 20 },
  { op: 'com.microsoft:Gelu', inputs: [[3, 5]] },
  { op: 'com.microsoft:QuickGelu', inputs: [[3, 5]] },
  { op: 'com.microsoft:FastGelu', inputs: [[3, 5], [5]] },
  { op: 'com.microsoft:BiasGelu', inputs: [[3, 5], [5]] },
  { op: 'Celu', inputs: [[3, 5]], attributes: { alpha: { float: 0.7 } } },
  { op: 'PRelu', inputs: [image, [4, 1, 1]] },
  {
    op: 'Mean',
    inputs: [
      [3, 1],
      [1, 4],
      [3, 4],
    ],
  },
  {
    op: 'Conv',
    inputs: [image, [6, 2, 3, 2], [6]],
    attributes: { group: 2, pads: [1, 0, 2, 1], strides: [2, 1] },
  },
  { op: 'Conv', inputs: [image, [3, 4, 2, 3]], attributes: { strides: [2, 3], auto_pad: 'SAME_UPPER' } },
  {
    op: 'Conv',
    inputs: [
      [2, 3, 9],
      [4, 3, 4],
    ],
    attributes: { auto_pad: 'SAME_LOWER', strides: [2] },
  },
  {
    op: 'ConvTranspose',
    inputs: [image, [4, 3, 3, 3], [6]],
    attributes: { group: 2, pads: [1, 0, 0, 1], strides: [2, 3] },
  },
  {
    op: 'ConvTranspose',
    inputs: [image, [4, 3, 3, 3]],
    attributes: { strides: [2, 2], output_padding: [1, 0], dilations: [1, 2] },
  },
  {
    op: 'AveragePool',
    inputs: [image],
    attributes: { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] },
  },
  { op: 'AveragePool', inputs: [image], attributes: { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 } },
  {
    op: 'AveragePool',
    inputs: [image],
    attributes: {
      kernel_shape: [3, 3],
      strides: [2, 2],
      pads: [1, 1, 1, 1],
      ceil_mode: 1,
      count_include_pad: 1,
    },
  },
  ...['nearest', 'linear', 'cubic'].map((mode) => ({
    op: 'Resize',
    inputs: [[2, 3, 4, 5]],
    attributes: { mode, coordinate_transformation_mode: 'half_pixel' },
    scales: [1, 1, 1.7, 0.8],
  })),
  ...['nearest', 'linear'].map((mode) => ({
    op: 'Resize',
    inputs: [[2, 4, 5, 3]],
    attributes: { mode, coordinate_transformation_mode: 'half_pixel' },
    scales: [1, 1.7, 0.8, 1],
  })),
  { op: 'Resize', inputs: [[2, 4, 5]], attributes: { mode: 'nearest', axes: [1] }, scales: [2] },
  { op: 'Resize', inputs: [[2, 3, 5, 4]], attributes: { mode: 'nearest' }, scales: [2, 3, 1, 1.3] },
  { op: 'GlobalAveragePool', inputs: [image] },
  { op: 'GlobalMaxPool', inputs: [image] },
  { op: 'InstanceNormalization', inputs: [image, [4], [4]] },
  { op: 'GroupNormalization', inputs: [image, [4], [4]], attributes: { num_groups: 2 }, opset: 21 },
  { op: 'RMSNormalization', inputs: [[2, 3, 5], [5]], opset: 23 },
  { op: 'LayerNormalization', inputs: [[2, 3, 5], [3, 5], [5]], attributes: { axis: 1 } },
  { op: 'LayerNormalization', inputs: [[2, 3, 5], [5]], attributes: { epsilon: { float: 1e-2 } } },
];

describe('toFloat64', () => {
  for (const { op, inputs, attributes = {}, opset = 18, scales } of cases) {
    it(`computes what the float32 kernel of ${op} does: ${JSON.stringify(attributes)}`, async () => {
      const [domain, opType] = op.includes(':') ? op.split(':') : ['', op];
      const b = new GraphBuilder({ opset });
      const rng = createRng(3);
      const feeds: Record<string, Tensor> = {};
      const names = inputs.map((dims, i) => {
        const name = b.input(`x${i}`, 'float32', dims);
        feeds[name] = float32(
          dims,
          Array.from({ length: sizeOf(dims) }, () => 2 * rng.normal()),
        );
        return name;
      });
      if (scales) names.push('', b.constant('scales', float32([scales.length], scales)));
      b.output(b.op(opType!, names, { domain: domain!, attributes, name: 'y' }), 'float32');
      const opsets = new Map([
        ['', opset],
        ['com.microsoft', 1],
      ]);
      const model = b.model({ opsets, irVersion: opset > 21 ? 11 : 9 });
      expect(float64Forms.has(op)).to.equal(true);
      const narrow = await run(encodeModel(model), feeds);
      const wide = toFloat64(model, { shapes: await probeShapes(model) });
      const doubles = Object.fromEntries(
        Object.entries(feeds).map(([name, tensor]) => [name, toDouble(tensor)]),
      );
      const result = await run(encodeModel(wide), doubles);
      expect(result.dtype).to.equal('float64');
      expect(result.dims).to.deep.equal(narrow.dims);
      narrow.data.forEach((value, i) => {
        expect(Number(result.data[i])).to.be.closeTo(
          Number(value),
          2e-5 * Math.max(1, Math.abs(Number(value))),
        );
      });
    });
  }

  it('computes erf to 1e-15', async () => {
    const b = new GraphBuilder({ opset: 17 });
    b.output(b.op('Erf', [b.input('x', 'float32', [7])], { name: 'y' }), 'float32');
    const model = toFloat64(b.model(), { shapes: new Map() });
    const x = { dtype: 'float64', dims: [7], data: Float64Array.of(0.5, 1, -2, 3, 7, 0.3, -1.37) } as const;
    const { data } = await run(encodeModel(model), { x });
    // Abramowitz & Stegun, table 7.1; mpmath for the last ones.
    const known = [
      0.5204998778130465, 0.8427007929497149, -0.9953222650189527, 0.9999779095030014, 1, 0.3286267594591274,
      -0.947312398035252,
    ];
    known.forEach((value, i) => expect(Number(data[i])).to.be.closeTo(value, 1e-15));
  });
});

async function run(bytes: Uint8Array, feeds: Readonly<Record<string, Tensor>>): Promise<Tensor> {
  const session = await openSession(bytes, { optimization: 'basic' });
  try {
    return (await session.run(feeds)).y!;
  } finally {
    await session.release();
  }
}
