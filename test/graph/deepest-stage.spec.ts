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
    const b = new GraphBuilder();
    const enlarge = (value: string): string =>
      b.op('Resize', [value, '', b.shared('scales', float32([4], [1, 1, 2, 2]))], { name: `${value}/twice` });
    const convolve = (value: string, from: number, to: number, stride: number): string => {
      const weights = new Float32Array(to * from * 9).map((_, i) => Math.sin(i));
      const attributes = { strides: [stride, stride], pads: [1, 1, 1, 1] };
      const kernel = b.constant('kernel', float32([to, from, 3, 3], weights));
      return b.op('Relu', [b.op('Conv', [value, kernel], { attributes })], { name: `maps/${to}` });
    };
    const x = b.input('x', 'float32', ['batch', 3, 16, 16]);
    const deep = convolve(convolve(enlarge(x), 3, 16, 2), 16, 32, 2);
    const maps = convolve(enlarge(deep), 32, 8, 1);
    b.output(convolve(maps, 8, 1, 1), 'float32', undefined, 'mask');
    const layers = await listFeatureLayers(b.model());
    expect(layers.find(({ recommended }) => recommended)?.name).to.equal(deep);
  });
});
