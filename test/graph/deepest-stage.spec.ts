import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { listFeatureLayers } from '../../src/pipeline/analyse-model.js';
import { float32 } from '../../src/tensor/tensor.js';

describe('The end of a backbone without classifier', () => {
  it('is before a pyramid that joins maps of one size', async () => {
    const b = new GraphBuilder();
    const convolve = (value: string, from: number, to: number, stride: number): string => {
      const weights = new Float32Array(to * from).map((_, i) => Math.sin(i));
      const kernel = b.constant('kernel', float32([to, from, 1, 1], weights));
      return b.op('Relu', [b.op('Conv', [value, kernel], { attributes: { strides: [stride, stride] } })], {
        name: `maps/${to}`,
      });
    };
    const x = b.input('x', 'float32', ['batch', 3, 16, 16]);
    const early = convolve(convolve(x, 3, 8, 2), 8, 16, 2);
    const deep = convolve(early, 16, 64, 1);
    const resized = b.op('Resize', [
      convolve(deep, 64, 12, 1),
      '',
      b.constant('scales', float32([4], [1, 1, 1, 1])),
    ]);
    const joined = b.op('Add', [resized, convolve(early, 16, 12, 1)]);
    b.output(convolve(joined, 12, 1, 1), 'float32', undefined, 'mask');
    const layers = await listFeatureLayers(b.model());
    expect(layers.find(({ recommended }) => recommended)?.name).to.equal(deep);
  });

  it('is looked for behind an image that is enlarged first, and before its maps are', async () => {
    const { b, convolve, enlarge, recommended } = begin();
    const x = b.input('x', 'float32', ['batch', 3, 16, 16]);
    const deep = convolve(convolve(enlarge(x), 3, 16, 2), 16, 32, 2);
    const maps = convolve(enlarge(deep), 32, 8);
    b.output(convolve(maps, 8, 1), 'float32', undefined, 'mask');
    expect(await recommended()).to.equal(deep);
  });

  it('is the last stage of a nested U-net, whose first one enlarges already', async () => {
    const { b, convolve, enlarge, recommended } = begin();
    const x = b.input('x', 'float32', ['batch', 3, 64, 64]);
    /** Down twice and up again, beside what entered. */
    const stage = (value: string, channels: number): string => {
      const inner = convolve(convolve(value, channels, 8, 2), 8, 8, 2);
      const outer = convolve(enlarge(convolve(enlarge(inner), 8, 8)), 8, channels);
      return b.op('Add', [outer, value], { name: 'stage' });
    };
    const first = stage(convolve(x, 3, 16), 16);
    const second = stage(convolve(first, 16, 32, 2), 32);
    const last = convolve(second, 32, 64, 4);
    const decoded = convolve(
      b.op('Concat', [enlarge(enlarge(last)), second], { attributes: { axis: 1 } }),
      96,
      32,
    );
    b.output(convolve(enlarge(stage(decoded, 32)), 32, 1), 'float32', undefined, 'mask');
    expect(await recommended()).to.equal(last);
  });

  it('is where branches of several sizes, which exchanged their maps, have the smallest', async () => {
    const { b, convolve, enlarge, recommended } = begin();
    const x = b.input('x', 'float32', ['batch', 3, 32, 32]);
    const [fine, coarse] = [convolve(x, 3, 64, 2), convolve(convolve(x, 3, 16, 2), 16, 32, 2)];
    const mixed = b.op('Add', [fine, enlarge(convolve(coarse, 32, 64))]);
    const last = convolve(b.op('Add', [coarse, convolve(mixed, 64, 32, 2)]), 32, 128, 2);
    const joined = b.op('Add', [mixed, enlarge(enlarge(convolve(last, 128, 64)))]);
    b.output(convolve(joined, 64, 5), 'float32', undefined, 'heatmaps');
    expect(await recommended()).to.equal(last);
  });

  it("is no concatenation of pooled maps that were enlarged to the size of the backbone's", async () => {
    const { b, convolve, enlarge, recommended } = begin();
    const deep = convolve(b.input('x', 'float32', ['batch', 3, 16, 16]), 3, 32, 4);
    const pooled = b.op('GlobalAveragePool', [deep]);
    const pyramid = b.op('Concat', [deep, enlarge(enlarge(pooled))], { attributes: { axis: 1 } });
    b.output(convolve(enlarge(convolve(pyramid, 64, 16)), 16, 4), 'float32', undefined, 'mask');
    expect(await recommended()).to.equal(deep);
  });

  it('is not the wide inside of a block whose 1x1 convolution goes back to a narrow trunk', async () => {
    const { b, convolve, recommended } = begin();
    const project = (value: string, from: number, to: number): string => {
      const kernel = b.constant('kernel', float32([to, from, 1, 1], new Float32Array(to * from).fill(0.1)));
      return b.op('Conv', [value, kernel], { name: 'trunk' });
    };
    let trunk = convolve(b.input('x', 'float32', ['batch', 3, 16, 16]), 3, 16, 2);
    trunk = project(convolve(trunk, 16, 64, 2), 64, 16);
    trunk = b.op('Add', [trunk, project(convolve(trunk, 16, 64), 64, 16)], { name: 'trunk' });
    b.output(convolve(trunk, 16, 4), 'float32', undefined, 'maps');
    expect(await recommended()).to.equal(trunk);
  });

  for (const [claim, channels] of [
    ['as wide as the block before it', 32],
    ['wider', 48],
  ] as const) {
    it(`is the output of a bare feature extractor, ${claim}`, async () => {
      const { b, convolve, recommended } = begin();
      let maps = convolve(b.input('x', 'float32', ['batch', 3, 16, 16]), 3, 32, 4);
      for (let i = 0; i < 2; i++)
        maps = b.op('Relu', [b.op('Add', [maps, convolve(maps, 32, 32)])], { name: 'block' });
      b.output(channels === 32 ? maps : convolve(maps, 32, channels), 'float32', undefined, 'last');
      expect(await recommended()).to.equal('last');
    });
  }

  it('is not where tokens are divided among the heads of an attention', async () => {
    const { b, convolve, recommended } = begin();
    const patches = convolve(b.input('x', 'float32', ['batch', 3, 16, 16]), 3, 8, 2);
    const tokens = b.op('Transpose', [b.op('Reshape', [patches, b.ints([0, 8, 64])])], {
      attributes: { perm: [0, 2, 1] },
    });
    const dense = (value: string, from: number, to: number): string =>
      b.op('MatMul', [
        value,
        b.constant(
          'weight',
          float32(
            [from, to],
            new Float32Array(from * to).map((_, i) => Math.cos(i)),
          ),
        ),
      ]);
    const heads = (value: string, perm: readonly number[]): string =>
      b.op('Transpose', [b.op('Reshape', [dense(value, 8, 8), b.ints([0, 64, 2, 4])])], {
        attributes: { perm },
      });
    const scores = b.op('MatMul', [heads(tokens, [0, 2, 1, 3]), heads(tokens, [0, 2, 3, 1])]);
    const seen = b.op('MatMul', [b.op('Softmax', [scores]), heads(tokens, [0, 2, 1, 3])]);
    const joined = b.op('Reshape', [
      b.op('Transpose', [seen], { attributes: { perm: [0, 2, 1, 3] } }),
      b.ints([0, 64, 8]),
    ]);
    const last = b.op('Add', [tokens, dense(joined, 8, 8)], { name: 'last' });
    b.output(dense(last, 8, 4), 'float32', undefined, 'boxes');
    expect(await recommended()).to.equal(last);
  });
});

function begin() {
  const b = new GraphBuilder();
  return {
    b,
    convolve: (value: string, from: number, to: number, stride = 1): string => {
      const weights = new Float32Array(to * from * 9).map((_, i) => Math.sin(i));
      const attributes = { strides: [stride, stride], pads: [1, 1, 1, 1] };
      const kernel = b.constant('kernel', float32([to, from, 3, 3], weights));
      return b.op('Relu', [b.op('Conv', [value, kernel], { attributes })], { name: `maps/${to}` });
    },
    /** To twice the size. */
    enlarge: (value: string): string =>
      b.op('Resize', [value, '', b.shared('scales', float32([4], [1, 1, 2, 2]))], { name: `${value}/twice` }),
    recommended: async () => (await listFeatureLayers(b.model())).find((layer) => layer.recommended)?.name,
  };
}
