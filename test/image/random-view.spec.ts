import { createHash } from 'node:crypto';
import { expect } from 'chai';
import sharp from 'sharp';
import { type AugmentSpec, defaultAugment, parseAugment, readAugment } from '../../src/image/augment-spec.js';
import { preprocessImage, preprocessViews, type RowWriter } from '../../src/image/preprocess-image.js';
import { drawWindow, type RandomView } from '../../src/image/random-view.js';
import type { PreprocessSpec } from '../../src/models/preprocess-spec.js';
import { createRng } from '../../src/rng.js';
import { difference } from './read-pixels.js';

const side = 16;
const spec: PreprocessSpec = {
  resize: { width: side, height: side, fit: 'fill', kernel: 'bilinear' },
  crop: null,
  channelOrder: 'bgr',
  scale: 1 / 255,
  mean: [0.1, 0.2, 0.3],
  std: [0.5, 0.25, 1],
  layout: 'nchw',
};

function written(write: RowWriter): Float32Array {
  const into = new Float32Array(3 * side * side);
  write(into);
  return into;
}

describe('Random views', () => {
  let photo: Buffer;
  let sha256: Buffer;
  before(async () => {
    const rng = createRng(8);
    const raw = { width: 40, height: 40, channels: 3 } as const;
    const pixels = Uint8Array.from({ length: 4800 }, () => rng.integer(256));
    photo = await sharp(pixels, { raw }).blur(2).png().toBuffer();
    sha256 = createHash('sha256').update(photo).digest();
  });

  const view = (augment: AugmentSpec, number = 1, seed = 1): RandomView => ({ number, seed, augment });

  async function pixelsOf(
    views: readonly (RandomView | undefined)[],
    { key = sha256, by = spec }: { key?: Uint8Array; by?: PreprocessSpec } = {},
  ): Promise<Float32Array[]> {
    const writers = await preprocessViews(photo, key, by, views);
    return writers.map((write) => written(write));
  }

  const everything: AugmentSpec = {
    ...defaultAugment,
    randaugment: { operations: 2, magnitude: 9 },
  };

  it('are written as often as asked for, also once other images were decoded, of small images and large', async () => {
    for (const edge of [8, 4 * side]) {
      const image = await sharp(photo).resize(edge, edge).jpeg().toBuffer();
      const writers = await preprocessViews(image, sha256, spec, [undefined, view(everything)]);
      const first = writers.map((write) => written(write));
      await preprocessViews(await sharp(photo).negate().resize(edge, edge).jpeg().toBuffer(), sha256, spec, [
        undefined,
      ]);
      expect(writers.map((write) => written(write))).to.deep.equal(first);
      const expected = new Float32Array(3 * side * side);
      await preprocessImage(image, spec, expected);
      expect(first[0]).to.deep.equal(expected);
      expect(first[1]).not.to.deep.equal(expected);
    }
  });

  it('follow from seed, number and content alone, in whatever company', async () => {
    const [plain, first, second] = await pixelsOf([undefined, view(everything), view(everything, 2)]);
    const [alone] = await pixelsOf([view(everything, 2)]);
    expect(alone).to.deep.equal(second);
    const others = await pixelsOf([view(everything, 1, 2)]);
    const ofAnother = await pixelsOf([view(everything)], { key: createHash('sha256').update('x').digest() });
    const all = [plain, first, second, others[0], ofAnother[0]];
    expect(new Set(all.map((values) => values!.join())).size).to.equal(5);
    const expected = new Float32Array(3 * side * side);
    await preprocessImage(photo, spec, expected);
    expect(plain).to.deep.equal(expected);
  });

  it('that may do nothing are the plain image', async () => {
    const idle: AugmentSpec = {
      crop: { scale: [1, 1], ratio: [1, 1] },
      flip: { probability: 0 },
      color: { brightness: 0, contrast: 0, saturation: 0, hue: 0 },
    };
    const [plain, same] = await pixelsOf([undefined, view(idle)]);
    expect(difference(same!, plain!).max).to.be.below(2e-6);
  });

  it('are mirrored with the probability that is given', async () => {
    const [plain, mirrored] = await pixelsOf([undefined, view({ flip: { probability: 1 } })]);
    const expected = plain!.slice();
    for (let at = 0; at < expected.length; at += side) expected.subarray(at, at + side).reverse();
    expect(difference(mirrored!, expected).max).to.be.below(2e-6);
  });

  it('are the same in both layouts and both orders of channels', async () => {
    const [planar] = await pixelsOf([view(everything)]);
    const by: PreprocessSpec = {
      ...spec,
      layout: 'nhwc',
      channelOrder: 'rgb',
      mean: [...spec.mean].reverse(),
      std: [...spec.std].reverse(),
    };
    const [interleaved] = await pixelsOf([view(everything)], { by });
    for (let i = 0; i < side * side; i++) {
      for (let c = 0; c < 3; c++) {
        expect(interleaved![i * 3 + c]).to.equal(planar![(2 - c) * side * side + i]);
      }
    }
  });

  it('show windows inside of the image, of the areas and ratios that are allowed', () => {
    const rng = createRng(2);
    const scale = [0.2, 0.7] as const;
    const ratio = [0.5, 2] as const;
    let sum = 0;
    for (let i = 0; i < 2000; i++) {
      const { left, top, width, height } = drawWindow({ width: 300, height: 200 }, { scale, ratio }, rng);
      expect(Math.min(left, top)).to.be.at.least(0);
      expect(left + width).to.be.at.most(300);
      expect(top + height).to.be.at.most(200);
      const area = (width * height) / 60_000;
      sum += area;
      expect(area).to.be.within(0.19, 0.71);
      expect(width / height).to.be.within(0.48, 2.05);
    }
    // Uniform in area, but for the tall and wide ones that do not fit.
    expect(sum / 2000).to.be.within(0.38, 0.46);
    const narrow = drawWindow({ width: 1000, height: 2 }, { scale: [1, 1], ratio }, rng);
    expect(narrow).to.deep.equal({ left: 498, top: 0, width: 4, height: 2 });
  });
});

describe('Bounds of augmentations', () => {
  it('are the usual ones for names, those given in a file, and never others', async () => {
    expect(await readAugment('flip, randaugment')).to.deep.equal({
      flip: { probability: 0.5 },
      randaugment: { operations: 2, magnitude: 9 },
    });
    expect(parseAugment({ crop: { scale: [0.5, 0.9] } }, 'x.json')).to.deep.equal({
      crop: { scale: [0.5, 0.9], ratio: [3 / 4, 4 / 3] },
    });
  });

  for (const [fields, message] of [
    [{ rotate: {} }, /no operation "rotate" in x\.json; there are crop, flip, color, randaugment/],
    [{ crop: { scale: [0.9, 0.5] } }, /two ascending numbers from 0\.001 to 1 for crop\.scale/],
    [{ crop: { scale: 0.5 } }, /for crop\.scale/],
    [{ flip: { probability: 2 } }, /a number from 0 to 1 for flip\.probability .* received 2/],
    [{ flip: { share: 0.5 } }, /no flip\.share/],
    [{ randaugment: { operations: 1.5 } }, /for randaugment\.operations/],
    [{}, /names no operation/],
    [[], /Expected an object/],
  ] as const) {
    it(`are refused as ${JSON.stringify(fields)}`, () => {
      expect(() => parseAugment(fields, 'x.json')).to.throw(message);
    });
  }
});
