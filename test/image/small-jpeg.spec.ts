/** Small JPEGs take another decoder than large ones; nobody must be able to tell from the pixels. */
import { expect } from 'chai';
import sharp, { type Sharp } from 'sharp';
import { decodeImage } from '../../src/image/decode-image.js';
import { decodeSmallJpeg } from '../../src/image/decode-small-jpeg.js';
import { createRng } from '../../src/rng.js';
import { draw } from './read-pixels.js';

const limit = 2 ** 30;
const waves = (width: number, height: number) =>
  draw(width, height, (x, y) => [
    127 + 120 * Math.sin(x / 3 + y),
    127 + 120 * Math.cos(y / 5),
    (37 * x * y) % 256,
  ]);

const encodings: readonly (readonly [string, (image: Sharp) => Sharp])[] = [
  ['4:2:0', (image) => image.jpeg({ quality: 80 })],
  ['4:4:4', (image) => image.jpeg({ quality: 95, chromaSubsampling: '4:4:4' })],
  ['progressive', (image) => image.jpeg({ quality: 60, progressive: true })],
  ['grey', (image) => image.toColourspace('b-w').jpeg({ quality: 80 })],
  ['with EXIF that says upright', (image) => image.withMetadata({ orientation: 1 }).jpeg()],
  ['with EXIF that says nothing of it', (image) => image.withExif({ IFD0: { Copyright: 'me' } }).jpeg()],
];

describe('Small JPEGs', () => {
  for (const [name, encode] of encodings) {
    it(`decode to libvips' pixels: ${name}`, async () => {
      for (const [width, height] of [
        [1, 1],
        [17, 3],
        [100, 75],
        [320, 240],
      ] as const) {
        const bytes = await encode(waves(width, height)).toBuffer();
        const image = await decodeSmallJpeg(bytes, limit);
        const channels = name === 'grey' ? 1 : 3;
        expect(image, `${width} x ${height}`).to.include({ width, height, channels });
        const reference = channels === 1 ? sharp(bytes).toColourspace('b-w') : sharp(bytes);
        const data = await reference.raw().toBuffer();
        expect(Buffer.compare(Buffer.from(image!.data), data), `${width} x ${height}`).to.equal(0);
      }
    });
  }

  it('are left to libvips where they are turned, in inks, of many pixels, or more than allowed', async () => {
    const encode = (image: Sharp) => image.jpeg().toBuffer();
    const turned = await encode(waves(20, 10).withMetadata({ orientation: 6 }));
    const inks = await encode(waves(20, 10).toColourspace('cmyk'));
    const large = await encode(waves(400, 400));
    for (const bytes of [turned, inks, large])
      expect(await decodeSmallJpeg(bytes, limit)).to.equal(undefined);
    expect(await decodeSmallJpeg(await encode(waves(20, 10)), 199)).to.equal(undefined);
  });

  it('are left to libvips where EXIF cannot be followed: cut, or pointing outside its segment', async () => {
    const bytes = await waves(20, 10).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const tiff = bytes.indexOf('Exif\0\0') + 6;
    for (const [at, value] of [
      [4, 0xff],
      [5, 0xff],
      [8, 0xff],
      [9, 0xff],
    ] as const) {
      const damaged = Buffer.from(bytes);
      damaged[tiff + at] = value;
      expect(await decodeSmallJpeg(damaged, limit), `byte ${at}`).to.equal(undefined);
    }
  });

  it('that are damaged get the reason from libvips, and the next one its own pixels', async () => {
    const whole = await waves(64, 64).jpeg().toBuffer();
    const { data } = await decodeImage(whole);
    for (const length of [200, whole.length >> 1, whole.length - 30]) {
      const error: unknown = await decodeImage(whole.subarray(0, length)).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error, `${length} bytes`).to.have.property('code', 'INVALID_IMAGE');
    }
    expect((await decodeImage(whole)).data).to.deep.equal(data);
  });

  it('have the size of their header, whatever was changed in it, or are left to libvips', async () => {
    const whole = [
      await waves(16, 12).jpeg().toBuffer(),
      await waves(16, 12).jpeg({ progressive: true }).toBuffer(),
      await waves(16, 12).toColourspace('b-w').jpeg().toBuffer(),
    ];
    const markers = [0x00, 0x01, 0xc0, 0xc2, 0xd8, 0xdc, 0xe0, 0xff];
    const rng = createRng(1);
    let decoded = 0;
    for (let i = 0; i < 120; i++) {
      const bytes = Buffer.from(whole[i % 3]!);
      const at = 2 + rng.integer(bytes.length - 3);
      // A marker in the midst of a segment, or another byte.
      if (i % 2 === 0) bytes.set([0xff, markers[rng.integer(markers.length)]!], at);
      else bytes[at] = rng.integer(256);
      const image = await decodeSmallJpeg(bytes, limit);
      if (!image) continue;
      decoded++;
      expect(image.data.length).to.equal(image.width * image.height * image.channels);
    }
    expect(decoded).to.be.within(12, 108);
  });

  it('decoded at once do not write into one another', async () => {
    const files = await Promise.all(
      [1, 2, 3].map((i) =>
        waves(30 * i, 40)
          .jpeg()
          .toBuffer(),
      ),
    );
    const together = await Promise.all(files.map((bytes) => decodeImage(bytes)));
    for (const [i, bytes] of files.entries()) {
      expect(Buffer.from(together[i]!.data)).to.deep.equal(await sharp(bytes).raw().toBuffer());
    }
  });
});
