import { expect } from 'chai';
import sharp, { type Sharp } from 'sharp';
import { decodeImage } from '../../src/image/decode-image.js';
import { imageFormat } from '../../src/image/image-format.js';
import { isTruncated } from '../../src/image/is-truncated.js';
import { createRng } from '../../src/rng.js';

describe('isTruncated', () => {
  const rng = createRng(7);
  const noise = Uint8Array.from({ length: 70 * 50 * 3 }, () => rng.integer(256));
  const draw = (): Sharp => sharp(noise, { raw: { width: 70, height: 50, channels: 3 } });
  const frames = (): Sharp => sharp(noise, { raw: { width: 70, height: 50, channels: 3, pageHeight: 25 } });
  const whole = (bytes: Uint8Array, length = bytes.length): boolean => {
    const part = bytes.subarray(0, length);
    return !isTruncated(part, imageFormat(part)!);
  };

  const images: Readonly<Record<string, () => Promise<Buffer>>> = {
    'a JPEG': () => draw().jpeg().toBuffer(),
    'a progressive JPEG': () => draw().jpeg({ progressive: true }).toBuffer(),
    'a JPEG with a thumbnail': async () => withThumbnail(await draw().jpeg().toBuffer()),
    'a PNG': () => draw().png().toBuffer(),
    'a WebP': () => draw().webp().toBuffer(),
    'a lossless WebP': () => draw().webp({ lossless: true }).toBuffer(),
    'a GIF': () => draw().gif().toBuffer(),
    'a GIF in two frames': () =>
      frames()
        .gif({ delay: [100, 100] })
        .toBuffer(),
  };
  for (const [name, make] of Object.entries(images)) {
    it(`takes ${name} for truncated where decodeImage refuses it`, async () => {
      const bytes = await make();
      expect(whole(bytes), 'the whole').to.equal(true);
      await decodeImage(bytes);
      const lengths = [0.2, 0.5, 0.8, 0.95].map((share) => Math.floor(share * bytes.length));
      for (const length of [...lengths, bytes.length - 16, bytes.length - 2, bytes.length - 1]) {
        const isRead = await decodeImage(bytes.subarray(0, length)).then(
          () => true,
          () => false,
        );
        expect(whole(bytes, length), `${length} of ${bytes.length} bytes`).to.equal(isRead);
      }
    });
  }

  it('leaves it to the decoder where the marks cannot be followed', async () => {
    const jpeg = await draw().jpeg().toBuffer();
    const stray = Buffer.concat([jpeg.subarray(0, 20), Buffer.from('stray'), jpeg.subarray(20)]);
    await decodeImage(stray);
    expect(whole(stray)).to.equal(true);
  });

  it('reads nothing past the end, whatever the bytes claim', async () => {
    for (const make of Object.values(images)) {
      const bytes = await make();
      for (let i = 0; i < 300; i++) {
        const spoilt = Uint8Array.from(bytes.subarray(0, 8 + rng.integer(bytes.length)));
        for (let k = 0; k < 6; k++)
          spoilt[3 + rng.integer(Math.min(60, spoilt.length - 3))] = rng.integer(256);
        expect(isTruncated(spoilt, imageFormat(bytes)!)).to.be.a('boolean');
      }
    }
  });
});

/** The JPEG itself in a segment before its pixels, as EXIF holds a thumbnail. */
function withThumbnail(jpeg: Buffer): Buffer {
  const head = Buffer.from([0xff, 0xe1, (jpeg.length + 8) >> 8, (jpeg.length + 8) & 255]);
  return Buffer.concat([jpeg.subarray(0, 2), head, Buffer.from('Thumb\0'), jpeg, jpeg.subarray(2)]);
}
