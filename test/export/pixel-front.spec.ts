import { expect } from 'chai';
import { buildPixelFront, pixelsName, preparedName } from '../../src/export/pixel-front.js';
import { toChannels, writeImage } from '../../src/image/write-image.js';
import { pixelShape } from '../../src/models/pixel-shape.js';
import type { PreprocessSpec } from '../../src/models/preprocess-spec.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';

const plain: PreprocessSpec = {
  resize: { width: 24, height: 16, fit: 'fill', kernel: 'bilinear' },
  crop: null,
  channelOrder: 'rgb',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  layout: 'nchw',
};
const resized = (
  fit: 'fill' | 'cover' | 'contain' | 'shortest-edge',
  kernel: 'nearest' | 'bilinear' | 'bicubic',
) => ({
  width: 24,
  height: 16,
  fit,
  kernel,
});

const specs: Record<string, PreprocessSpec> = {
  'fill, bilinear': plain,
  'fill, bicubic': { ...plain, resize: resized('fill', 'bicubic') },
  'fill, nearest': { ...plain, resize: resized('fill', 'nearest') },
  'shortest edge and crop, normalised': {
    ...plain,
    resize: { width: 20, height: 20, fit: 'shortest-edge', kernel: 'bilinear' },
    crop: { width: 17, height: 16 },
    scale: 1 / 255,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
  'shortest edge, bicubic, and a crop that is larger': {
    ...plain,
    resize: { width: 10, height: 10, fit: 'shortest-edge', kernel: 'bicubic' },
    crop: { width: 21, height: 22 },
  },
  'cover, bgr': { ...plain, resize: resized('cover', 'bilinear'), channelOrder: 'bgr', mean: [1, 2, 3] },
  'contain, channels last': {
    ...plain,
    resize: resized('contain', 'bilinear'),
    layout: 'nhwc',
    std: [2, 3, 4],
  },
  'contain and crop, grey': {
    ...plain,
    resize: resized('contain', 'bicubic'),
    crop: { width: 9, height: 30 },
    channelOrder: 'gray',
    mean: [7],
    std: [3],
  },
  'even margins of a crop': {
    ...plain,
    resize: { width: 25, height: 25, fit: 'shortest-edge', kernel: 'bilinear' },
    crop: { width: 20, height: 22, margins: 'even' },
  },
  'even margins around cover, and what is too small': {
    ...plain,
    resize: resized('cover', 'bilinear'),
    crop: { width: 17, height: 27, margins: 'even' },
  },
  'no resize, only a crop': { ...plain, resize: null, crop: { width: 40, height: 11 } },
};
/** Height and width. */
const sizes = [
  [60, 80],
  [80, 60],
  [37, 91],
  [5, 200],
  [16, 24],
  [9, 7],
  [33, 33],
] as const;

describe('preprocessing in the graph', () => {
  for (const [name, preprocess] of Object.entries(specs)) {
    it(`gives the pixels that Graft's own preprocessing gives, for images of any size: ${name}`, async () => {
      const session = await openSession(
        encodeModel(buildPixelFront({ kind: 'pixels', name: 'x', preprocess })),
      );
      const rng = createRng(4);
      try {
        for (const [height, width] of sizes) {
          const data = Uint8Array.from({ length: height * width * 3 }, () => rng.integer(256));
          const { channels, height: h, width: w } = pixelShape(preprocess);
          const expected = new Float32Array(channels * h * w);
          writeImage(
            toChannels({ height, width, channels: 3, data: data.slice() }, preprocess),
            preprocess,
            expected,
          );
          const feeds = { [pixelsName]: { dtype: 'uint8' as const, dims: [1, height, width, 3], data } };
          const { dims, data: found } = (await session.run(feeds))[preparedName]!;
          expect(dims).to.deep.equal(
            preprocess.layout === 'nchw' ? [1, channels, h, w] : [1, h, w, channels],
          );
          const level = Math.min(...preprocess.std) / preprocess.scale;
          let [most, sum] = [0, 0];
          for (const [i, value] of expected.entries()) {
            const off = Math.abs((found as Float32Array)[i]! - value) * level;
            most = Math.max(most, off);
            sum += off;
          }
          // One level, where sums are rounded another way: ONNX Runtime goes along the other side first.
          expect(most, `${height} x ${width}`).to.be.below(1.01);
          expect(sum / expected.length, `${height} x ${width}`).to.be.below(0.1);
        }
      } finally {
        await session.release();
      }
    });
  }
});
