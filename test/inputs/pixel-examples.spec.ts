import { expect } from 'chai';
import sharp from 'sharp';
import { decodeImage } from '../../src/image/decode-image.js';
import { pixelExamples } from '../../src/inputs/pixel-examples.js';
import type { PixelSpec } from '../../src/models/input-spec.js';

const grey: PixelSpec = {
  kind: 'pixels',
  name: 'image',
  preprocess: {
    resize: null,
    crop: { width: 2, height: 1 },
    channelOrder: 'gray',
    scale: 1,
    mean: [0],
    std: [1],
    layout: 'nchw',
  },
};

describe('Images for a file that prepares pixels itself', () => {
  for (const format of ['png', 'jpeg'] as const) {
    it(`keep their colours where the backbone takes grey ones (${format})`, async () => {
      const red = { width: 2, height: 1, channels: 3, background: { r: 254, g: 0, b: 0 } } as const;
      const file = await sharp({ create: red }).toFormat(format).toBuffer();
      const { prepared, raw } = pixelExamples(grey, [await decodeImage(file)], 'pixels');

      const { pixels } = raw.feeds(0, 1);
      expect([...pixels!.data].map(Number)).to.deep.equal([254, 0, 0, 254, 0, 0]);
      expect([...prepared.feeds(0, 1)['image']!.data].map(Number)).to.deep.equal([76, 76]);
    });
  }
});
