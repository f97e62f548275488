import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { listFeatureLayers } from '../../src/pipeline/analyse-model.js';
import { float32 } from '../../src/tensor/tensor.js';
import { randomTensor } from './run-model.js';

describe('The end of a model that looks like another one', () => {
  it('is the last tokens of the transformer where a depth map has lost the axis of its channels', async () => {
    const b = new GraphBuilder();
    const tokens = transformer(b, b.input('x', 'float32', ['batch', 3, 16, 16]));
    const maps = b.op('Reshape', [
      b.op('Transpose', [tokens], { attributes: { perm: [0, 2, 1] } }),
      b.ints([0, 8, 4, 4]),
    ]);
    const depth = b.op('Conv', [maps, b.constant('kernel', randomTensor([1, 8, 1, 1], 9))]);
    const enlarged = b.op('Resize', [depth, '', b.constant('scales', float32([4], [1, 1, 2, 2]))]);
    b.output(b.op('Squeeze', [b.op('Relu', [enlarged]), b.ints([1])]), 'float32', undefined, 'depth');
    expect(await recommended(b)).to.include({ name: tokens, dim: 8 });
  });

  it('is before the scores of words where tanh caps these', async () => {
    const b = new GraphBuilder();
    const tokens = transformer(b, b.input('x', 'float32', ['batch', 3, 16, 16]));
    const scores = b.op('MatMul', [tokens, b.constant('words', randomTensor([8, 40], 9))]);
    const cap = b.constant('cap', float32([1], [30]));
    b.output(b.op('Mul', [b.op('Tanh', [b.op('Div', [scores, cap])]), cap]), 'float32', undefined, 'logits');
    expect(await recommended(b)).to.include({ name: tokens, dim: 8 });
  });

  it('is before the few numbers that a regression gives between -1 and 1', async () => {
    const b = new GraphBuilder();
    const pooled = b.op('ReduceMean', [transformer(b, b.input('x', 'float32', ['batch', 3, 16, 16]))], {
      attributes: { axes: [1], keepdims: 0 },
    });
    const angle = b.op('MatMul', [pooled, b.constant('steering', randomTensor([8, 2], 9))]);
    b.output(b.op('Tanh', [angle]), 'float32', undefined, 'steering_angle');
    expect(await recommended(b)).to.include({ name: pooled, dim: 8 });
  });

  for (const [opType, attributes] of [
    ['ArgMax', { axis: 1 }],
    ['Greater', {}],
  ] as const) {
    it(`is the end of the backbone where a segmenter gives the labels of places alone, by ${opType}`, async () => {
      const b = new GraphBuilder();
      const convolve = (value: string, to: number, from: number, stride: number, name: string): string =>
        b.op(
          'Relu',
          [
            b.op('Conv', [value, b.constant(`${name}/kernel`, randomTensor([to, from, 1, 1], to))], {
              attributes: { strides: [stride, stride] },
            }),
          ],
          { name },
        );
      const image = b.input('x', 'float32', ['batch', 3, 16, 16]);
      const stage = convolve(convolve(image, 16, 3, 2, 'early'), 32, 16, 2, 'stage');
      const decoded = convolve(stage, 8, 32, 1, 'decoder');
      const scores = b.op('Conv', [decoded, b.constant('classes', randomTensor([5, 8, 1, 1], 9))]);
      const twice = b.constant('scales', float32([4], [1, 1, 2, 2]));
      const enlarged = b.op('Resize', [scores, '', twice]);
      const threshold = opType === 'Greater' ? [b.constant('threshold', float32([], [0.5]))] : [];
      b.output(
        b.op(opType, [enlarged, ...threshold], { attributes }),
        opType === 'Greater' ? 'bool' : 'int64',
      );
      expect(await recommended(b)).to.include({ name: stage, dim: 32 });
    });
  }

  it('is the code of an autoencoder, and no place where it is unfolded to maps again', async () => {
    const b = new GraphBuilder();
    const dense = (value: string, from: number, to: number, name: string): string =>
      b.op('MatMul', [value, b.constant(`${name}/weight`, randomTensor([from, to], to))], { name });
    const image = b.input('x', 'float32', ['batch', 3, 8, 8]);
    const maps = b.op('Conv', [image, b.constant('kernel', randomTensor([16, 3, 2, 2], 1))], {
      attributes: { strides: [2, 2] },
    });
    const code = dense(b.op('Flatten', [b.op('Relu', [maps])]), 256, 6, 'code');
    const unfolded = b.op('Reshape', [b.op('Relu', [dense(code, 6, 256, 'unfold')]), b.ints([0, 16, 4, 4])]);
    const drawn = b.op('ConvTranspose', [unfolded, b.constant('draw', randomTensor([16, 3, 2, 2], 2))], {
      attributes: { strides: [2, 2] },
    });
    b.output(b.op('Sigmoid', [drawn]), 'float32', undefined, 'image');
    expect(await recommended(b)).to.include({ name: code, dim: 6 });
  });

  for (const [claim, merge] of [
    ['slices side by side', mergeBySlices],
    ['axes exchanged', mergeByTranspose],
  ] as const) {
    it(`is behind merged patches, which are wide only until the next layer: ${claim}`, async () => {
      const b = new GraphBuilder();
      const image = b.input('x', 'float32', ['batch', 3, 16, 16]);
      const patches = b.op('Conv', [image, b.constant('kernel', randomTensor([8, 3, 2, 2], 1))], {
        attributes: { strides: [2, 2] },
      });
      const merged = merge(b, b.op('Transpose', [patches], { attributes: { perm: [0, 2, 3, 1] } }));
      const scale = b.constant('scale', float32([32], new Float32Array(32).fill(1)));
      const normalised = b.op('LayerNormalization', [merged, scale]);
      const reduced = b.op('MatMul', [normalised, b.constant('reduction', randomTensor([32, 16], 2))]);
      const stage = b.op('Relu', [b.op('Transpose', [reduced], { attributes: { perm: [0, 3, 1, 2] } })], {
        name: 'stage',
      });
      const enlarged = b.op('Resize', [stage, '', b.constant('scales', float32([4], [1, 1, 2, 2]))]);
      const mask = b.op('Conv', [enlarged, b.constant('mask/kernel', randomTensor([2, 16, 1, 1], 3))]);
      b.output(mask, 'float32', undefined, 'mask');
      expect(await recommended(b)).to.include({ name: stage, dim: 16 });
    });
  }
});

async function recommended(b: GraphBuilder) {
  const layers = await listFeatureLayers(b.model());
  return layers.find((layer) => layer.recommended);
}

/** 16 tokens of 8 numbers, after an attention of one head and two residual sums. */
function transformer(b: GraphBuilder, image: string): string {
  const dense = (value: string, seed: number): string =>
    b.op('MatMul', [value, b.constant('weight', randomTensor([8, 8], seed))]);
  const patches = b.op('Conv', [image, b.constant('patches', randomTensor([8, 3, 4, 4], 1))], {
    attributes: { strides: [4, 4] },
  });
  const tokens = b.op('Transpose', [b.op('Reshape', [patches, b.ints([0, 8, 16])])], {
    attributes: { perm: [0, 2, 1] },
  });
  const keys = b.op('Transpose', [dense(tokens, 2)], { attributes: { perm: [0, 2, 1] } });
  const attention = b.op('Softmax', [b.op('MatMul', [dense(tokens, 3), keys])], { attributes: { axis: -1 } });
  const looked = b.op('Add', [tokens, dense(b.op('MatMul', [attention, dense(tokens, 4)]), 5)]);
  return b.op('Add', [looked, dense(looked, 6)], { name: 'tokens' });
}

/** [N, H, W, C] → [N, H/2, W/2, 4·C]. */
function mergeBySlices(b: GraphBuilder, maps: string): string {
  const quarter = (y: number, x: number): string => {
    const rows = b.op('Slice', [maps, b.ints([y]), b.ints([64]), b.ints([1]), b.ints([2])]);
    return b.op('Slice', [rows, b.ints([x]), b.ints([64]), b.ints([2]), b.ints([2])]);
  };
  return b.op('Concat', [quarter(0, 0), quarter(1, 0), quarter(0, 1), quarter(1, 1)], {
    attributes: { axis: -1 },
  });
}

function mergeByTranspose(b: GraphBuilder, maps: string): string {
  const apart = b.op('Reshape', [maps, b.ints([0, 4, 2, 4, 2, 8])]);
  return b.op('Reshape', [
    b.op('Transpose', [apart], { attributes: { perm: [0, 1, 3, 4, 2, 5] } }),
    b.ints([0, 4, 4, 32]),
  ]);
}
