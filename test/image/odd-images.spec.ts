/** The shared folder of odd and broken images, where it is at hand. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { type DecodedImage, type DecodeOptions, decodeImage } from '../../src/image/decode-image.js';
import { askPillow } from './ask-pillow.js';
import { difference, type PixelSpec, readLevels } from './read-pixels.js';

const folder = path.resolve('../shared/datasets/odd-images');
const spec: PixelSpec = {
  resize: { width: 64, height: 64, fit: 'fill', kernel: 'bilinear' },
  crop: null,
  channelOrder: 'rgb',
};
const read = (file: string): Buffer => readFileSync(path.join(folder, file));
const decode = (file: string, options?: DecodeOptions): Promise<DecodedImage> =>
  decodeImage(read(path.join('formats', file)), options);
const pixel = ({ data, width, channels }: DecodedImage, x: number, y: number): number[] => [
  ...data.subarray((y * width + x) * channels, (y * width + x + 1) * channels),
];

describe('Odd images', () => {
  before(function () {
    if (!existsSync(folder)) this.skip(); // no shared images here
  });

  for (const name of ['Landscape', 'Portrait']) {
    for (const orientation of [3, 6, 8]) {
      it(`of EXIF orientation ${orientation} look like the upright ${name.toLowerCase()}`, async () => {
        const upright = await readLevels(read(`exif/${name}_1.jpg`), spec);
        const { mean } = difference(await readLevels(read(`exif/${name}_${orientation}.jpg`), spec), upright);
        // Each is compressed anew and says its own number in the middle; turned wrongly it is 30 levels off.
        expect(mean).to.be.below(3);
      });
    }
  }

  const sizes: readonly (readonly [string, number, number])[] = [
    ['16-bit-grey-alpha.png', 109, 96],
    ['5_webp_a.webp', 300, 300],
    ['8bit_depth.tiff', 21, 21],
    ['Channel_digital_image_CMYK_color_no_profile.jpg', 500, 333],
    ['animated-loop-3.gif', 370, 285],
    ['check.svg', 100, 100],
    ['grey-8bit-alpha.png', 400, 300],
    ['low-contrast.jpg', 300, 245],
    ['p3.png', 8, 8],
    ['pitm.avif', 4096, 800],
    ['tbgn2c16.png', 32, 32],
  ];
  for (const [file, width, height] of sizes) {
    it(`such as ${file} have their whole size`, async () => {
      const image = await decode(file);
      expect([image.width, image.height]).to.deep.equal([width, height]);
      expect(image.data).to.have.length(width * height * image.channels);
    });
  }

  it('show white where they are transparent, or what is asked for', async () => {
    for (const file of ['5_webp_a.webp', 'check.svg', 'grey-8bit-alpha.png', 'tbgn2c16.png']) {
      expect(new Set(pixel(await decode(file), 0, 0)), file).to.deep.equal(new Set([255]));
      const onColour = await decode(file, { background: [90, 80, 70] });
      expect(pixel(onColour, 0, 0), file).to.deep.equal([90, 80, 70]);
    }
  });

  it('of a wide gamut keep their numbers, or become the reddest sRGB', async () => {
    expect(pixel(await decode('p3.png'), 0, 0)).to.deep.equal([241, 0, 0]);
    expect(pixel(await decode('p3.png', { profiles: 'convert' }), 0, 0)).to.deep.equal([255, 0, 0]);
  });

  it('are a green tick, a night view and the first of ten frames', async () => {
    const [r, g, b] = pixel(await decode('check.svg'), 30, 80) as [number, number, number];
    expect(g).to.be.above(100);
    expect(Math.max(r, b)).to.be.below(40);
    const night = await decode('pitm.avif');
    expect(night.data.reduce((sum, level) => sum + level, 0) / night.data.length).to.be.within(30, 50);
    // The second frame is black here.
    const frame = await decode('animated-loop-3.gif');
    expect(pixel(frame, 191, 202)).to.deep.equal([254, 255, 252]);
  });

  it('agree with Pillow on white, where it reads them, within a level on average and 8 at most', async function () {
    const files = [
      ...['Landscape', 'Portrait'].flatMap((name) => [1, 3, 6, 8].map((i) => `exif/${name}_${i}.jpg`)),
      ...sizes.map(([file]) => `formats/${file}`).filter((file) => !/svg|avif|16/.test(file)),
    ];
    const pixels = askPillow(files.map((file) => ({ image: path.join(folder, file), spec })));
    if (!pixels) return this.skip(); // no Python with Pillow here
    const length = 64 * 64 * 3;
    for (const [i, file] of files.entries()) {
      const { mean, max } = difference(
        await readLevels(read(file), spec),
        pixels.subarray(i * length, (i + 1) * length),
      );
      if (process.env.GRAFT_TEST_VERBOSE) console.log(file, mean.toFixed(4), max);
      expect(mean, file).to.be.at.most(1);
      expect(max, file).to.be.at.most(8);
    }
  });

  for (const [file, reason] of [
    ['corrupt-header.jpg', /damaged/],
    ['empty.jpg', /empty file/],
    ['giant-image.jpg', /more than 178956970 pixels/],
    ['text-in-disguise.png', /not an image of a known format/],
    ['truncated.jpg', /truncated/],
    ['truncated.png', /truncated/],
  ] as const) {
    it(`such as ${file} are refused with the reason`, async () => {
      const error: unknown = await decodeImage(read(path.join('broken', file))).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).to.be.instanceOf(GraftError);
      expect((error as GraftError).code).to.equal('INVALID_IMAGE');
      expect((error as GraftError).message).to.match(reason);
    });
  }
});
