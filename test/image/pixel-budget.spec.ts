import { createHash } from 'node:crypto';
import { expect } from 'chai';
import sharp from 'sharp';
import { imageFormat, readImageSize } from '../../src/image/image-format.js';
import { PixelBudget } from '../../src/image/pixel-budget.js';
import { preprocessViews } from '../../src/image/preprocess-image.js';
import type { PreprocessSpec } from '../../src/models/preprocess-spec.js';

const [width, height] = [700, 500];
const photoBytes = 3 * width * height;

const spec: PreprocessSpec = {
  resize: { width: 16, height: 16, fit: 'fill', kernel: 'bilinear' },
  crop: null,
  channelOrder: 'rgb',
  scale: 1 / 255,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  layout: 'nchw',
};

const draw = (size = { width, height }) =>
  sharp({ create: { ...size, channels: 4, background: { r: 200, g: 90, b: 10, alpha: 0.5 } } });

/** Whether it has settled once everything else that can happen has happened. */
async function isDone(work: Promise<unknown>, withinMs = 150): Promise<boolean> {
  const waiting = new Promise<false>((resolve) => setTimeout(() => resolve(false), withinMs));
  return Promise.race([work.then(() => true), waiting]);
}

function preprocess(bytes: Uint8Array, budget: PixelBudget): Promise<unknown> {
  const sha256 = createHash('sha256').update(bytes).digest();
  return preprocessViews(bytes, sha256, spec, [undefined], { budget });
}

describe('A budget of decoded pixels', () => {
  it('holds back a photo, and all after it, until those before it are used', async () => {
    const budget = new PixelBudget(2 * photoBytes);
    await budget.take(photoBytes + 1);
    const first = preprocess(await draw().png().toBuffer(), budget);
    expect(await isDone(first)).to.equal(false);
    // It would fit, but then a stream of small photos could keep a large one waiting for ever.
    const second = budget.take(1);
    expect(await isDone(second, 20)).to.equal(false);
    budget.give(photoBytes + 1);
    await Promise.all([first, second]);
  });

  it('lets a photo above the limit through alone', async () => {
    const budget = new PixelBudget(1);
    const photo = await draw().webp().toBuffer();
    await Promise.all(Array.from({ length: 4 }, () => preprocess(photo, budget)));
  });

  it('does not hold back small JPEGs, which are used at once', async () => {
    const budget = new PixelBudget(1);
    await budget.take(1);
    await preprocess(await draw({ width: 100, height: 80 }).jpeg().toBuffer(), budget);
  });

  it('gets back what a photo took that turns out damaged', async () => {
    const budget = new PixelBudget(photoBytes);
    const whole = await draw().png({ compressionLevel: 0 }).toBuffer();
    const error: unknown = await preprocess(whole.subarray(0, whole.length / 2), budget).catch(
      (cause: unknown) => cause,
    );
    expect(error).to.be.an('error').with.property('code', 'INVALID_IMAGE');
    expect(await isDone(budget.take(photoBytes))).to.equal(true);
  });

  it('knows the size of a photo from its header', async () => {
    const files = {
      jpeg: draw().jpeg(),
      'progressive jpeg': draw().jpeg({ progressive: true }),
      png: draw().png(),
      'lossy webp': draw().removeAlpha().webp(),
      'lossless webp': draw().removeAlpha().webp({ lossless: true }),
    };
    for (const [name, image] of Object.entries(files)) {
      const bytes = await image.toBuffer();
      const { width: w, height: h } = readImageSize(bytes, imageFormat(bytes)!) ?? {};
      expect([w, h], name).to.deep.equal([width, height]);
      for (let length = 12; length < 40; length++)
        readImageSize(bytes.subarray(0, length), imageFormat(bytes)!);
    }
  });
});
