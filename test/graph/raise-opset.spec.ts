import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { mergeModels } from '../../src/graph/merge-models.js';
import { newestOpset } from '../../src/graph/opset/operators.js';
import { raiseOpset } from '../../src/graph/opset/raise-opset.js';
import type { AttributeInput } from '../../src/onnx/attributes.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import * as ir from '../../src/onnx/ir.js';
import { toHalfArray } from '../../src/tensor/float16.js';
import { checked, float32, int64, type Tensor } from '../../src/tensor/tensor.js';
import { largestDifference, randomTensor, runModel, valuesOf } from './run-model.js';

type Attributes = Readonly<Record<string, AttributeInput>>;

interface Case {
  /** The operator and what is special about it. */
  readonly title: string;
  /** Operator set versions in which the operator is written so. */
  readonly from: number;
  readonly to: number;
  readonly inputs: readonly Tensor[];
  readonly outputs?: number;
  readonly attributes?: Attributes;
  /** Inputs after the first that are constants of the model. */
  readonly constants?: readonly Tensor[];
  /** The element types of the outputs, where they are not the first input's. */
  readonly dtypes?: readonly Tensor['dtype'][];
  /** The newest version that ONNX Runtime has the operator for. */
  readonly runs?: number;
  /** Writes the input's shape into the model. */
  readonly declared?: boolean;
}

const image = randomTensor([2, 4, 5, 6]);
const rows = randomTensor([3, 7], 2);
const half = checked('float16', [6], toHalfArray(Float32Array.of(-3, -1, 0, 0.5, 2, 5)));
const double = checked('float64', [4], Float64Array.of(-3, 0.25, 2, 9));
const channel = (seed: number, positive = false): Tensor => {
  const tensor = randomTensor([4], seed);
  return positive
    ? float32(
        [4],
        (tensor.data as Float32Array).map((value) => 0.5 + value * value),
      )
    : tensor;
};
const f = (value: number) => ({ float: value });

const cases: readonly Case[] = [
  ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((opType): Case[] => [
    { title: `${opType} along the default axis of 4`, from: 7, to: 12, inputs: [image] },
    { title: `${opType} over axis 2 of 4`, from: 7, to: 12, inputs: [image], attributes: { axis: 2 } },
    { title: `${opType} over the first axis`, from: 7, to: 12, inputs: [image], attributes: { axis: 0 } },
    {
      title: `${opType} along the last of 4`,
      from: 7,
      to: 12,
      inputs: [image],
      attributes: { axis: 3 },
      declared: true,
    },
    { title: `${opType} over a negative axis`, from: 11, to: 12, inputs: [image], attributes: { axis: -2 } },
    { title: `${opType} of a matrix`, from: 7, to: 12, inputs: [rows], declared: true },
    { title: `${opType} since 13`, from: 13, to: 26, inputs: [image], attributes: { axis: 1 } },
  ]),
  {
    title: 'Squeeze of named axes',
    from: 7,
    to: 12,
    inputs: [randomTensor([1, 3, 1, 2])],
    attributes: { axes: [0, 2] },
  },
  { title: 'Squeeze of all', from: 7, to: 26, inputs: [randomTensor([1, 3, 1, 2])] },
  { title: 'Unsqueeze', from: 7, to: 12, inputs: [rows], attributes: { axes: [0, 3] } },
  { title: 'Unsqueeze at a negative axis', from: 11, to: 12, inputs: [rows], attributes: { axes: [-1] } },
  ...['Sum', 'Mean', 'Max', 'Min', 'Prod', 'L1', 'L2', 'LogSumExp', 'SumSquare'].flatMap((kind): Case[] => {
    const to = kind === 'Sum' ? 12 : 17;
    return [
      {
        title: `Reduce${kind} over axes`,
        from: 7,
        to,
        inputs: [image],
        attributes: { axes: [1, 3], keepdims: 0 },
      },
      { title: `Reduce${kind} over all`, from: 7, to: 26, inputs: [image] },
      { title: `Reduce${kind} over the last`, from: 11, to, inputs: [image], attributes: { axes: [-1] } },
    ];
  }),
  { title: 'ReduceLogSum over axes', from: 7, to: 17, inputs: [channel(3, true)], attributes: { axes: [0] } },
  { title: 'Clip', from: 7, to: 10, inputs: [image], attributes: { min: f(-0.5), max: f(0.25) } },
  { title: 'Clip from below', from: 7, to: 10, inputs: [image], attributes: { min: f(0) } },
  { title: 'Clip from above', from: 7, to: 10, inputs: [image], attributes: { max: f(0) } },
  { title: 'Clip without bounds', from: 7, to: 26, inputs: [image] },
  { title: 'Clip of float16', from: 7, to: 10, inputs: [half], attributes: { min: f(-1), max: f(3) } },
  {
    title: 'Pad with zeros',
    from: 7,
    to: 10,
    inputs: [image],
    attributes: { pads: [0, 0, 1, 2, 0, 0, 0, 1] },
  },
  {
    title: 'Pad with a value',
    from: 7,
    to: 10,
    inputs: [image],
    attributes: { pads: [0, 1, 1, 2, 0, 0, 0, 1], value: f(2.5) },
  },
  {
    title: 'Pad by reflection',
    from: 7,
    to: 10,
    inputs: [image],
    attributes: { mode: 'reflect', pads: [0, 0, 1, 2, 0, 0, 0, 1] },
  },
  {
    title: 'Pad by the edge',
    from: 7,
    to: 10,
    inputs: [image],
    attributes: { mode: 'edge', pads: [0, 0, 1, 2, 0, 0, 0, 1] },
  },
  {
    title: 'Pad that crops',
    from: 7,
    to: 10,
    inputs: [image],
    attributes: { pads: [0, 0, -1, 0, 0, 0, -1, -2] },
  },
  {
    title: 'Pad of float64 with a value',
    from: 7,
    to: 10,
    inputs: [double],
    attributes: { pads: [1, 2], value: f(-2.5) },
  },
  {
    title: 'Slice',
    from: 7,
    to: 9,
    inputs: [image],
    attributes: { starts: [1, -3], ends: [3, 1000], axes: [1, 3] },
  },
  {
    title: 'Slice of the leading axes',
    from: 7,
    to: 9,
    inputs: [image],
    attributes: { starts: [0, 1], ends: [1, 3] },
  },
  { title: 'Dropout', from: 7, to: 11, inputs: [image], attributes: { ratio: f(0.3) } },
  { title: 'Dropout since 12', from: 12, to: 26, inputs: [image], constants: [float32([], [0.3])] },
  {
    title: 'BatchNormalization',
    from: 7,
    to: 26,
    inputs: [image],
    constants: [channel(1), channel(2), channel(3), channel(4, true)],
  },
  {
    title: 'BatchNormalization, spatial',
    from: 7,
    to: 8,
    inputs: [image],
    constants: [channel(1), channel(2), channel(3), channel(4, true)],
    attributes: { spatial: 1, momentum: f(0.7) },
  },
  { title: 'Split into equal parts', from: 7, to: 17, inputs: [image], outputs: 2, attributes: { axis: 1 } },
  {
    title: 'Split into given parts',
    from: 7,
    to: 12,
    inputs: [image],
    outputs: 2,
    attributes: { axis: 1, split: [1, 3] },
  },
  {
    title: 'Split into parts given as input',
    from: 13,
    to: 26,
    inputs: [image],
    outputs: 2,
    constants: [int64([2], [3, 1])],
    attributes: { axis: 1 },
  },
  {
    title: 'TopK',
    from: 7,
    to: 9,
    inputs: [image],
    outputs: 2,
    dtypes: ['float32', 'int64'],
    attributes: { k: 2, axis: 1 },
  },
  {
    title: 'TopK with k as input',
    outputs: 2,
    dtypes: ['float32', 'int64'],
    from: 10,
    to: 26,
    inputs: [image],
    constants: [int64([1], [3])],
  },
  {
    title: 'Upsample to the nearest',
    from: 7,
    to: 8,
    inputs: [image],
    attributes: { scales: { floats: [1, 1, 2, 3] } },
  },
  {
    title: 'Upsample to the nearest by broken scales',
    from: 7,
    to: 8,
    inputs: [image],
    attributes: { scales: { floats: [1, 1, 1.5, 1.7] } },
  },
  {
    title: 'Upsample, linear',
    from: 7,
    to: 8,
    inputs: [image],
    attributes: { mode: 'linear', scales: { floats: [1, 1, 2, 2.5] } },
  },
  {
    title: 'Upsample with scales as input',
    from: 9,
    to: 9,
    inputs: [image],
    constants: [float32([4], [1, 1, 1.5, 2])],
  },
  { title: 'Upsample with computed scales', from: 9, to: 9, inputs: [image, float32([4], [1, 1, 1.5, 2])] },
  {
    title: 'Resize that enlarges',
    from: 10,
    to: 10,
    inputs: [image],
    constants: [float32([4], [1, 1, 1.7, 2.3])],
  },
  {
    title: 'Resize that shrinks',
    from: 10,
    to: 10,
    inputs: [image],
    constants: [float32([4], [1, 1, 0.6, 0.5])],
  },
  {
    title: 'Resize, linear',
    from: 10,
    to: 10,
    inputs: [image],
    constants: [float32([4], [1, 1, 1.7, 0.5])],
    attributes: { mode: 'linear' },
  },
  {
    title: 'Resize, linear, by computed scales',
    from: 10,
    to: 10,
    inputs: [image, float32([4], [1, 1, 1.7, 0.5])],
    attributes: { mode: 'linear' },
  },
  ...(['half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel'] as const).flatMap((mode): Case[] =>
    ['nearest', 'linear', 'cubic'].map((kind) => ({
      title: `Resize, ${kind}, ${mode}`,
      from: 11,
      to: 26,
      inputs: [image],
      constants: [float32([0], []), float32([4], [1, 1, 1.7, 0.5])],
      attributes: { mode: kind, coordinate_transformation_mode: mode },
    })),
  ),
  {
    title: 'Resize to sizes',
    from: 11,
    to: 12,
    inputs: [image, float32([0], []), float32([0], []), int64([4], [2, 4, 7, 3])],
    declared: true,
  },
  ...[1.7, 0.6].map((scale): Case => ({
    title: `Resize by ${scale} with TensorFlow's half pixels`,
    from: 11,
    to: 12,
    inputs: [image],
    constants: [float32([0], []), float32([4], [1, 1, scale, scale])],
    attributes: { nearest_mode: 'floor', coordinate_transformation_mode: 'tf_half_pixel_for_nn' },
  })),
  {
    title: 'GroupNormalization',
    from: 18,
    to: 20,
    inputs: [image],
    constants: [float32([2], [2, 3]), float32([2], [-1, 1])],
    attributes: { num_groups: 2 },
  },
  { title: 'GridSample', from: 16, to: 19, inputs: [image, randomTensor([2, 3, 3, 2])] },
  {
    title: 'GridSample, bicubic',
    from: 16,
    to: 19,
    inputs: [image, randomTensor([2, 3, 3, 2])],
    attributes: { mode: 'bicubic', padding_mode: 'border' },
  },
  {
    title: 'GridSample, nearest',
    from: 16,
    to: 19,
    inputs: [image, randomTensor([2, 3, 3, 2])],
    attributes: { mode: 'nearest', align_corners: 1 },
  },
  {
    title: 'RoiAlign',
    from: 10,
    to: 15,
    runs: 21,
    inputs: [image],
    constants: [float32([2, 4], [0, 0, 3, 3, 1, 1, 4, 4]), int64([2], [0, 1])],
    attributes: { output_height: 2, output_width: 3, sampling_ratio: 2 },
  },
  { title: 'DFT', from: 17, to: 19, inputs: [randomTensor([2, 8, 3, 1])], attributes: { onesided: 1 } },
  {
    title: 'DFT along a named axis',
    from: 17,
    to: 19,
    inputs: [randomTensor([2, 8, 3, 1])],
    attributes: { axis: 2 },
  },
  {
    title: 'Scatter',
    from: 9,
    to: 10,
    inputs: [rows],
    constants: [int64([1, 2], [2, 0]), float32([1, 2], [9, 8])],
  },
  // What did not change, or only gained types.
  {
    title: 'Conv',
    from: 7,
    to: 26,
    inputs: [image],
    constants: [randomTensor([3, 4, 3, 3], 4)],
    attributes: { pads: [1, 1, 1, 1], strides: [2, 2] },
  },
  {
    title: 'MaxPool',
    from: 7,
    to: 26,
    inputs: [image],
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
  },
  {
    title: 'AveragePool',
    from: 7,
    to: 26,
    inputs: [image],
    attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 },
  },
  {
    title: 'AveragePool in ceil mode',
    from: 10,
    to: 26,
    inputs: [image],
    attributes: { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 },
  },
  {
    title: 'Gemm',
    from: 7,
    to: 26,
    inputs: [rows],
    constants: [randomTensor([5, 7], 5), randomTensor([5], 6)],
    attributes: { transB: 1 },
  },
  { title: 'PRelu', from: 7, to: 26, inputs: [image], constants: [randomTensor([4, 1, 1], 5)] },
  { title: 'LRN', from: 7, to: 26, inputs: [image], attributes: { size: 3 } },
  { title: 'InstanceNormalization', from: 7, to: 26, inputs: [image], constants: [channel(1), channel(2)] },
  { title: 'DepthToSpace', from: 7, to: 26, inputs: [image], attributes: { blocksize: 2 } },
  { title: 'Reshape', from: 7, to: 26, inputs: [image], constants: [int64([3], [0, -1, 6])] },
  {
    title: 'Gather',
    from: 7,
    to: 26,
    inputs: [image],
    constants: [int64([2], [1, 0])],
    attributes: { axis: 2 },
  },
  { title: 'ArgMax', from: 7, to: 26, inputs: [image], attributes: { axis: 1 }, dtypes: ['int64'] },
  { title: 'Cast', from: 7, to: 26, inputs: [image], attributes: { to: 11 }, dtypes: ['float64'] },
  {
    title: 'DequantizeLinear',
    from: 10,
    to: 26,
    inputs: [checked('uint8', [2, 3], Uint8Array.of(0, 1, 128, 129, 254, 255))],
    constants: [float32([], [0.1]), checked('uint8', [], Uint8Array.of(128))],
    dtypes: ['float32'],
  },
  {
    title: 'DequantizeLinear along the default axis',
    from: 13,
    to: 26,
    inputs: [checked('int8', [2, 3], Int8Array.of(-128, -1, 0, 1, 2, 127))],
    constants: [float32([3], [0.1, 2, 3]), checked('int8', [3], Int8Array.of(0, 1, -2))],
    dtypes: ['float32'],
  },
  {
    title: 'QuantizeLinear',
    from: 10,
    to: 26,
    inputs: [rows],
    constants: [float32([], [0.05]), checked('uint8', [], Uint8Array.of(100))],
    dtypes: ['uint8'],
  },
  {
    title: 'ArgMax of the last among equals',
    from: 12,
    to: 26,
    inputs: [float32([4], [1, 3, 3, 0])],
    attributes: { select_last_index: 1 },
    dtypes: ['int64'],
  },
  {
    title: 'Reshape to what is empty',
    from: 14,
    to: 26,
    inputs: [float32([0, 2], [])],
    constants: [int64([2], [2, 0])],
    attributes: { allowzero: 1 },
  },
  {
    title: 'LayerNormalization',
    from: 17,
    to: 26,
    inputs: [image],
    constants: [randomTensor([6], 7), randomTensor([6], 8)],
  },
  {
    title: 'LayerNormalization that ONNX Runtime has before the format does',
    from: 7,
    to: 26,
    inputs: [image],
    constants: [randomTensor([6], 7), randomTensor([6], 8)],
  },
  {
    title: "SimplifiedLayerNormalization, which is ONNX Runtime's",
    from: 7,
    to: 26,
    inputs: [image],
    constants: [randomTensor([6], 7)],
  },
  {
    title: 'LSTM',
    from: 7,
    to: 26,
    inputs: [randomTensor([3, 2, 4])],
    constants: [randomTensor([1, 8, 4], 9), randomTensor([1, 8, 2], 10)],
    attributes: { hidden_size: 2 },
  },
];

function modelOf(
  { title, inputs, constants = [], attributes = {}, outputs = 1, dtypes = [], declared }: Case,
  opset: number,
): ir.Model {
  const builder = new GraphBuilder({ opset });
  const fed = inputs.map((tensor, i) =>
    builder.input(`x${i}`, tensor.dtype, declared ? tensor.dims : tensor.dims.map(() => null)),
  );
  const weights = constants.map((tensor, i) => builder.constant(`w${i}`, tensor));
  const results = builder.ops(title.split(/[ ,]/)[0]!, [...fed, ...weights], outputs, {
    name: 'y',
    attributes,
  });
  for (const [i, result] of results.entries()) builder.output(result, dtypes[i] ?? inputs[0]!.dtype);
  return builder.model();
}

const feedsOf = ({ inputs }: Case) => Object.fromEntries(inputs.map((tensor, i) => [`x${i}`, tensor]));

describe('raiseOpset', () => {
  for (const row of cases) {
    it(`keeps the outputs of ${row.title}`, async () => {
      const feeds = feedsOf(row);
      const newest = row.runs ?? newestOpset;
      const compare = async (model: ir.Model, target: number, expected: Record<string, Tensor>) => {
        const raised = raiseOpset(model, target);
        expect(raised.opsets.get('')).to.equal(target);
        const outputs = await runModel(raised, feeds);
        for (const [name, tensor] of Object.entries(expected)) {
          const where = `${name}, from ${model.opsets.get('')} to ${target}`;
          expect(outputs[name]!.dtype, where).to.equal(tensor.dtype);
          expect(largestDifference(outputs[name]!, tensor), where).to.be.at.most(1e-6);
        }
      };
      for (let opset = row.from; opset <= row.to; opset++) {
        const model = modelOf(row, opset);
        const expected = await runModel(model, feeds);
        await compare(model, newest, expected);
        // On the way as well, from the first of the versions.
        const stops = opset === row.from ? [9, 10, 11, 13, 18, 21] : [];
        for (const target of stops.filter((stop) => stop > opset && stop < newest)) {
          await compare(model, target, expected);
        }
      }
    });
  }
});

/** Both branches hold an operator that changed, and capture the result of another. */
function conditional(choice: number): ir.Model {
  const builder = new GraphBuilder({ opset: 8 });
  const x = builder.input('x', 'float32', [2, 1, 3]);
  const chosen = builder.constant('choice', checked('bool', [], Uint8Array.of(choice)));
  const branch = (nodes: ir.Node[]) =>
    ({
      kind: 'graph',
      value: ir.graph({ name: 'branch', nodes, inputs: [], outputs: [ir.tensorValue('inner', 'float32')] }),
    }) as const;
  const squeeze = builder.op('Squeeze', [x], { name: 'squeezed', attributes: { axes: [1] } });
  builder.nodes.push(
    ir.node({
      opType: 'If',
      name: 'choose',
      inputs: [chosen],
      outputs: ['y'],
      attributes: new Map<string, ir.Attribute>([
        [
          'then_branch',
          branch([
            ir.node({
              opType: 'ReduceMean',
              name: 'mean',
              inputs: [squeeze],
              outputs: ['average'],
              attributes: new Map([['axes', { kind: 'ints', value: [1n] }]]),
            }),
            ir.node({ opType: 'Sub', name: 'center', inputs: [squeeze, 'average'], outputs: ['inner'] }),
          ]),
        ],
        ['else_branch', branch([ir.node({ opType: 'Softmax', inputs: [squeeze], outputs: ['inner'] })])],
      ]),
    }),
  );
  builder.outputs.push(ir.tensorValue('y', 'float32'));
  return builder.model({ irVersion: 3 });
}

describe('raiseOpset of a whole model', () => {
  it('converts inside subgraphs', async () => {
    const x = randomTensor([2, 1, 3]);
    for (const choice of [0, 1]) {
      const model = conditional(choice);
      const { y: expected } = await runModel({ ...model, irVersion: 4 }, { x });
      const { y } = await runModel(raiseOpset(model, newestOpset), { x });
      expect(largestDifference(y!, expected!)).to.be.at.most(1e-6);
    }
  });

  it('leaves the model alone where it is of that version', () => {
    const model = conditional(0);
    expect(raiseOpset(model, 8).graph).to.equal(model.graph);
  });

  it('does not share new names between a graph and its subgraphs', () => {
    const { graph } = raiseOpset(conditional(1), newestOpset);
    const body = graph.nodes.at(-1)!.attributes.get('then_branch');
    const inner = body?.kind === 'graph' ? [...body.value.initializers.keys()] : [];
    expect(inner).to.deep.equal(['average/axes']);
    expect([...graph.initializers.keys()]).to.deep.equal(['choice', 'squeezed/axes']);
  });

  it('keeps clear of names that are taken', () => {
    const builder = new GraphBuilder({ opset: 8 });
    const x = builder.input('y/axes', 'float32', [1, 2]);
    builder.output(builder.op('Squeeze', [x], { name: 'y', attributes: { axes: [0] } }), 'float32', [2]);
    expect([...raiseOpset(builder.model(), 13).graph.initializers.keys()]).to.deep.equal(['y/axes_1']);
  });

  it("converts the model's functions, which hold constants as nodes", async () => {
    const builder = new GraphBuilder({ opset: 12 });
    const x = builder.input('x', 'float32', [2, 3, 4]);
    builder.output(builder.op('F', [x], { domain: 'own', name: 'y' }), 'float32');
    const axes: ir.Attribute = { kind: 'ints', value: [1n] };
    const model = builder.model({
      opsets: new Map([
        ['', 12],
        ['own', 1],
      ]),
      functions: [
        {
          name: 'F',
          domain: 'own',
          overload: '',
          docString: '',
          inputs: ['a'],
          outputs: ['c'],
          attributes: [],
          attributeDefaults: new Map(),
          nodes: [
            ir.node({ opType: 'Softmax', inputs: ['a'], outputs: ['b'] }),
            ir.node({
              opType: 'ReduceMean',
              inputs: ['b'],
              outputs: ['c'],
              attributes: new Map([['axes', axes]]),
            }),
          ],
          opsets: new Map([['', 12]]),
          valueInfo: new Map(),
          metadata: new Map(),
        },
      ],
    });
    const fed = { x: randomTensor([2, 3, 4]) };
    const { y: expected } = await runModel(model, fed);
    for (const target of [13, 18, 25]) {
      const raised = raiseOpset(model, target);
      expect(raised.functions[0]!.opsets.get('')).to.equal(target);
      const { y } = await runModel(raised, fed);
      expect(largestDifference(y!, expected!)).to.be.at.most(1e-6);
    }
  });

  it('lists every node that it cannot convert, with the reason', () => {
    const builder = new GraphBuilder({ opset: 7 });
    const x = builder.input('x', 'float32', ['batch', 2, 3]);
    const scaled = builder.op('ImageScaler', [x], { name: 'scaler', attributes: { scale: { float: 2 } } });
    const [y, mask] = builder.ops('Dropout', [scaled], 2, { name: 'drop' });
    const statistics = [1, 2, 3, 4].map((i) => builder.constant(`s${i}`, randomTensor([2, 3], i)));
    const normal = builder.op('BatchNormalization', [y!, ...statistics], {
      name: 'bn',
      attributes: { spatial: 0 },
    });
    builder.output(normal, 'float32');
    builder.output(mask!, 'float32');
    expect(() => raiseOpset(builder.model(), 17))
      .to.throw(
        GraftError,
        'The model cannot be raised from operator set 7 to 17: ' +
          'ImageScaler "scaler": the operator sets up to 26 have no such operator; ' +
          'Dropout "drop": its mask is used; ' +
          'BatchNormalization "bn": it normalises every position by itself (spatial = 0).',
      )
      .with.property('code', 'UNSUPPORTED_MODEL');
  });

  it('refuses a nearest Resize whose rounding it cannot know', () => {
    const builder = new GraphBuilder({ opset: 10 });
    const x = builder.input('x', 'float32', [1, 1, 4, 4]);
    const scales = builder.input('scales', 'float32', [4]);
    builder.output(builder.op('Resize', [x, scales]), 'float32');
    expect(() => raiseOpset(builder.model(), 11)).to.throw(GraftError, 'its scales are computed');
  });

  it('drops the mask of a Dropout that nothing reads, with its type', () => {
    const builder = new GraphBuilder({ opset: 7 });
    const x = builder.input('x', 'float32', [2]);
    const [y, mask] = builder.ops('Dropout', [x], 2, { name: 'drop' });
    builder.output(y!, 'float32', [2]);
    const model = builder.model();
    const valueInfo = new Map([[mask!, ir.tensorValue(mask!, 'float32', [2])]]);
    const { graph } = raiseOpset({ ...model, graph: { ...model.graph, valueInfo } }, 12);
    expect(graph.nodes[0]!.outputs).to.deep.equal(['drop']);
    expect(graph.valueInfo.size).to.equal(0);
  });

  it('cannot lower a model, nor raise it beyond what is known', () => {
    const model = new GraphBuilder({ opset: 13 }).model();
    expect(() => raiseOpset(model, 12)).to.throw(GraftError, 'from 13 to 26 for target but received 12');
    expect(() => raiseOpset(model, 99)).to.throw(GraftError, 'received 99');
  });

  it('lets models of different versions be merged, whichever comes first', async () => {
    const old = new GraphBuilder({ opset: 8 });
    const x = old.input('x', 'float32', ['batch', 2, 3]);
    const mean = old.op('ReduceMean', [x], { attributes: { axes: [2], keepdims: 0 } });
    old.output(old.op('Softmax', [mean]), 'float32', ['batch', 2], 'shares');
    const recent = new GraphBuilder({ opset: 20 });
    const z = recent.input('z', 'float32', ['N', 'D']);
    recent.output(recent.op('Gelu', [z]), 'float32', ['N', 'D'], 'y');
    const after = mergeModels(old.model(), recent.model(), { connect: { shares: 'z' } });
    expect(after.opsets.get('')).to.equal(20);
    expect(after.graph.nodes.map(({ opType }) => opType)).to.deep.equal([
      'ReduceMean',
      'Softmax',
      'Identity',
      'Gelu',
      'Identity',
    ]);
    const fed = randomTensor([1, 2, 3]);
    const { y } = await runModel(after, { x: fed });
    const { shares } = await runModel(old.model(), { x: fed });
    const { y: expected } = await runModel(recent.model(), { z: shares! });
    expect(valuesOf(y!)).to.deep.equal(valuesOf(expected!));
    const three = new GraphBuilder({ opset: 20 });
    const a = three.input('a', 'float32', ['N', 2, 3]);
    three.output(three.op('Gelu', [a]), 'float32', ['N', 2, 3], 'b');
    const before = mergeModels(three.model(), old.model(), { connect: { b: 'x' } });
    const { b } = await runModel(three.model(), { a: fed });
    const { shares: wanted } = await runModel(old.model(), { x: b! });
    expect(valuesOf((await runModel(before, { a: fed })).shares!)).to.deep.equal(valuesOf(wanted!));
  });
});
