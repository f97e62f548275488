/** A small backbone with what makes cutting hard, as a file: see `splitBackbone`. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PreprocessSpec } from '../../src/models/preprocess-spec.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { toInitializer } from '../../src/onnx/initializer.js';
import { type Attribute, graph, type Model, node, tensorValue } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { toHalfArray } from '../../src/tensor/float16.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32, int64, type Tensor } from '../../src/tensor/tensor.js';

export const preprocess: PreprocessSpec = {
  resize: { width: 32, height: 32, fit: 'fill', kernel: 'bilinear' },
  crop: null,
  channelOrder: 'rgb',
  scale: 1 / 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.25, 0.25, 0.25],
  layout: 'nchw',
};

export interface Variant {
  readonly isHalf?: boolean;
  readonly opset?: number;
  /** The batch is free: `residual` is reshaped by what is read off the image. */
  readonly measures?: boolean;
  /** Weights are the values of Constant nodes, as PaddlePaddle's exporter writes them. */
  readonly hasConstants?: boolean;
  /** A loop of three rounds, with a weight of its own, before `last`. */
  readonly hasLoop?: boolean;
}

/**
 * image [1, 3, 32, 32], batch 1 baked into the shuffle's shapes as in ShuffleNet's exports:
 *
 *   stem      Conv, BatchNormalization (its shift is also that of the last block), Relu    [8, 16, 16]
 *   shuffled  half of the channels pass, half go through depthwise and 1x1 Conv (`branch`); Concat; channel shuffle
 *   residual  two Convs of one and the same kernel (`inner` between them), Add, Relu
 *   last      Conv, BatchNormalization, Relu                                               [8, 8, 8]
 *   scores    average, Gemm: the old classifier, of five classes
 */
export function splitBackbone({
  isHalf = false,
  opset = 13,
  measures = false,
  hasConstants = false,
  hasLoop = false,
}: Variant = {}): Uint8Array {
  const rng = createRng(3);
  const builder = new GraphBuilder({ opset });
  const dtype = isHalf ? 'float16' : 'float32';
  const constant = (name: string, tensor: Tensor): string =>
    builder.constant(
      name,
      isHalf ? { ...tensor, dtype, data: toHalfArray(tensor.data as Float32Array) } : tensor,
    );
  const weight = (name: string, dims: number[], spread: number, centre = 0): string =>
    constant(
      name,
      float32(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => centre + spread * rng.normal()),
      ),
    );
  const kernel = (name: string, dims: number[]): string =>
    weight(name, dims, Math.sqrt(2 / (dims[1]! * dims[2]! * dims[3]!)));
  const op = (
    opType: string,
    inputs: string[],
    name: string,
    attributes: Record<string, number | number[]> = {},
  ): string => builder.op(opType, inputs, { name, attributes });
  const shift = weight('shift', [8], 0.1);
  const normalize = (x: string, name: string): string =>
    op(
      'BatchNormalization',
      [x, weight(`${name}/scale`, [8], 0.1, 1), shift, weight(`${name}/mean`, [8], 0.1), weight(`${name}/var`, [8], 0.05, 1)],
      name,
    ); // prettier-ignore

  const image = builder.input('image', dtype, [measures ? 'batch' : 1, 3, 32, 32]);
  let x = op('Conv', [image, kernel('stem/kernel', [8, 3, 3, 3])], 'stem/conv', { pads: [1, 1, 1, 1], strides: [2, 2] }); // prettier-ignore
  const stem = op('Relu', [normalize(x, 'stem/norm')], 'stem');

  const [left, right] = builder.ops('Split', [stem, builder.ints([4, 4])], 2, { name: 'half', attributes: { axis: 1 } }) as [string, string]; // prettier-ignore
  x = op('Conv', [right, kernel('depthwise', [4, 1, 3, 3])], 'branch/depthwise', { pads: [1, 1, 1, 1], group: 4 }); // prettier-ignore
  x = op('Conv', [x, kernel('pointwise', [4, 4, 1, 1]), weight('pointwise/bias', [4], 0.1)], 'branch/conv');
  const branch = op('Relu', [x], 'branch');
  x = op('Concat', [left, branch], 'joined', { axis: 1 });
  x = op('Reshape', [x, builder.ints([measures ? 0 : 1, 2, 4, 16, 16])], 'groups');
  x = op('Transpose', [x], 'swapped', { perm: [0, 2, 1, 3, 4] });
  const shuffled = op('Reshape', [x, builder.ints([measures ? 0 : 1, 8, 16, 16])], 'shuffled');

  const shared = kernel('shared', [8, 8, 3, 3]);
  const inner = op('Relu', [op('Conv', [shuffled, shared], 'inner/conv', { pads: [1, 1, 1, 1] })], 'inner');
  x = op('Conv', [inner, shared], 'outer/conv', { pads: [1, 1, 1, 1] });
  const residual = op('Relu', [op('Add', [x, shuffled], 'residual/sum')], 'residual');

  const batch = op('Gather', [op('Shape', [image], 'sizes'), builder.ints([0])], 'batch', { axis: 0 });
  const sizes = op('Concat', [batch, builder.ints([8, 16, 16])], 'residual/sizes', { axis: 0 });
  const maps = measures ? op('Reshape', [residual, sizes], 'maps') : residual;
  const refined = hasLoop ? repeated(builder, maps) : maps;
  x = op('Conv', [refined, kernel('last/kernel', [8, 8, 3, 3])], 'last/conv', { pads: [1, 1, 1, 1], strides: [2, 2] }); // prettier-ignore
  const last = op('Relu', [normalize(x, 'last/norm')], 'last');
  const pooled = op('Flatten', [op('GlobalAveragePool', [last], 'pooled')], 'flat');
  const scores = op('Gemm', [pooled, weight('fc', [8, 5], 0.3), weight('fc/bias', [5], 0.1)], 'scores');
  builder.output(scores, dtype, [measures ? 'batch' : 1, 5]);
  const model = builder.model();
  return encodeModel(hasConstants ? withConstants(model) : model);
}

/** Three times: maps ← maps + tanh(maps · factor) */
function repeated(builder: GraphBuilder, maps: string): string {
  const factor = toInitializer('factor', float32([8, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8]));
  const body = graph({
    inputs: [tensorValue('round', 'int64', []), tensorValue('going', 'bool', []), tensorValue('state', 'float32')],
    outputs: [tensorValue('going', 'bool', []), tensorValue('next', 'float32')],
    initializers: new Map([['factor', factor]]),
    nodes: [
      node({ opType: 'Mul', inputs: ['state', 'factor'], outputs: ['scaled'] }),
      node({ opType: 'Tanh', inputs: ['scaled'], outputs: ['bent'] }),
      node({ opType: 'Add', inputs: ['state', 'bent'], outputs: ['next'] }),
    ],
  });
  const rounds = builder.constant('rounds', int64([], [3]));
  return builder.op('Loop', [rounds, '', maps], { name: 'refined', attributes: { body } });
} // prettier-ignore

function withConstants(model: Model): Model {
  const { graph } = model;
  const constants = [...graph.initializers.values()].map((value) => {
    const attributes = new Map<string, Attribute>([['value', { kind: 'tensor', value }]]);
    return node({ opType: 'Constant', name: value.name, inputs: [], outputs: [value.name], attributes });
  });
  return { ...model, graph: { ...graph, nodes: [...constants, ...graph.nodes], initializers: new Map() } };
}

/** Writes the model and its preprocessing beside it. */
export function writeSplitBackbone(folder: string, variant: Variant = {}): string {
  const file = path.join(folder, 'backbone.onnx');
  writeFileSync(file, splitBackbone(variant));
  writeFileSync(path.join(folder, 'backbone.preprocess.json'), JSON.stringify(preprocess));
  return file;
}
