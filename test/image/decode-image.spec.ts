import { expect } from 'chai';
import sharp, { type Sharp } from 'sharp';
import { decodeImage } from '../../src/image/decode-image.js';
import { type Colour, draw } from './read-pixels.js';

const red: Colour = [255, 0, 0];
const green: Colour = [0, 255, 0];
const blue: Colour = [0, 0, 255];
const yellow: Colour = [255, 255, 0];

/** Four quarters, told apart by colour: red and green above, blue and yellow below. */
const quarter = (x: number, y: number): Colour =>
  y < 0.5 ? (x < 0.5 ? red : green) : x < 0.5 ? blue : yellow;
const quarters = (width: number, height: number) =>
  draw(width, height, (x, y) => quarter(x / width, y / height));

/** The colour in the middle of each quarter: top left, top right, bottom left, bottom right. */
async function corners(bytes: Uint8Array): Promise<{ size: string; colours: number[][] }> {
  const { width, height, channels, data } = await decodeImage(bytes);
  const at = (x: number, y: number) => {
    const start = (Math.floor(y * height) * width + Math.floor(x * width)) * channels;
    return [...data.subarray(start, start + channels)];
  };
  return {
    size: `${width} x ${height}`,
    colours: [at(0.25, 0.25), at(0.75, 0.25), at(0.25, 0.75), at(0.75, 0.75)],
  };
}

function expectNear(colour: readonly number[], expected: readonly number[], within: number): void {
  for (const [i, level] of expected.entries()) {
    expect(colour[i], `${colour} against ${expected}`).to.be.within(level - within, level + within);
  }
}

type Place = (x: number, y: number, width: number, height: number) => readonly [number, number];

/** Where the file's pixel (x, y) belongs in the upright image, by EXIF orientation; sizes are the file's. */
const orientations: readonly Place[] = [
  (x, y) => [x, y],
  (x, y, w) => [w - 1 - x, y],
  (x, y, w, h) => [w - 1 - x, h - 1 - y],
  (x, y, _w, h) => [x, h - 1 - y],
  (x, y) => [y, x],
  (x, y, _w, h) => [h - 1 - y, x],
  (x, y, w, h) => [h - 1 - y, w - 1 - x],
  (x, y, w) => [y, w - 1 - x],
];

describe('Decoding', () => {
  for (const [i, place] of orientations.entries()) {
    it(`puts an image of EXIF orientation ${i + 1} upright`, async () => {
      const [width, height] = i < 4 ? [48, 32] : [32, 48];
      const bytes = await draw(width, height, (x, y) => {
        const [atX, atY] = place(x, y, width, height);
        return quarter(atX / 48, atY / 32);
      })
        .withMetadata({ orientation: i + 1 })
        .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
        .toBuffer();
      expect((await sharp(bytes).metadata()).orientation).to.equal(i + 1);
      const { size, colours } = await corners(bytes);
      expect(size).to.equal('48 x 32');
      for (const [k, colour] of [red, green, blue, yellow].entries()) expectNear(colours[k]!, colour, 4);
    });
  }

  const exact: readonly [string, (image: Sharp) => Sharp][] = [
    ['PNG', (image) => image.png()],
    ['a palette PNG', (image) => image.png({ palette: true })],
    ['an interlaced PNG', (image) => image.png({ progressive: true })],
    ['lossless WebP', (image) => image.webp({ lossless: true })],
    ['lossless AVIF', (image) => image.avif({ lossless: true })],
    ['uncompressed TIFF', (image) => image.tiff({ compression: 'none' })],
    ['LZW TIFF', (image) => image.tiff({ compression: 'lzw' })],
    ['a tiled TIFF', (image) => image.tiff({ compression: 'deflate', tile: true })],
    ['GIF', (image) => image.gif()],
  ];
  for (const [name, encode] of exact) {
    it(`reads ${name}`, async () => {
      const { size, colours } = await corners(await encode(quarters(40, 24)).toBuffer());
      expect(size).to.equal('40 x 24');
      for (const [k, colour] of [red, green, blue, yellow].entries()) expectNear(colours[k]!, colour, 1);
    });
  }

  for (const [name, encode] of [
    ['JPEG', (image) => image.jpeg({ quality: 95 })],
    ['progressive JPEG', (image) => image.jpeg({ quality: 95, progressive: true })],
    ['WebP', (image) => image.webp({ quality: 95 })],
    ['AVIF', (image) => image.avif({ quality: 90 })],
  ] as readonly [string, (image: Sharp) => Sharp][]) {
    it(`reads ${name} within what its compression loses`, async () => {
      const { colours } = await corners(await encode(quarters(64, 64)).toBuffer());
      for (const [k, colour] of [red, green, blue, yellow].entries()) expectNear(colours[k]!, colour, 12);
    });
  }

  it('reads SVG at the size it states, on the background', async () => {
    const svg =
      '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="40" height="24">' +
      '<rect width="20" height="12" fill="red"/><rect x="20" width="20" height="12" fill="lime"/>' +
      '<rect y="12" width="20" height="12" fill="blue"/></svg>';
    const { size, colours } = await corners(
      Buffer.from(`\ufeff  ${svg}`.replace('  <?xml version="1.0"?>', '')),
    );
    expect(size).to.equal('40 x 24');
    expect(colours).to.deep.equal([red, green, blue, [255, 255, 255]]);
  });

  it('takes the first frame of an animation', async () => {
    const frames = await Promise.all(
      [red, green, blue].map((colour) =>
        draw(16, 12, () => colour)
          .png()
          .toBuffer(),
      ),
    );
    for (const encode of [
      (image: Sharp) => image.gif({ delay: [50, 50, 50] }),
      (image: Sharp) => image.webp({ lossless: true, delay: [50, 50, 50] }),
    ]) {
      const bytes = await encode(sharp(frames, { join: { animated: true } })).toBuffer();
      expect((await sharp(bytes).metadata()).pages).to.equal(3);
      const { size, colours } = await corners(bytes);
      expect(size).to.equal('16 x 12');
      expect(colours).to.deep.equal([red, red, red, red]);
    }
  });

  it('takes the first page of a TIFF', async () => {
    const pages = await Promise.all(
      [blue, red].map((colour) =>
        draw(16, 12, () => colour)
          .png()
          .toBuffer(),
      ),
    );
    const bytes = await sharp(pages, { join: { animated: true } })
      .tiff({ compression: 'lzw' })
      .toBuffer();
    expect((await corners(bytes)).colours[0]).to.deep.equal(blue);
  });

  it('cuts 16 bits to the upper 8', async () => {
    const data = Uint16Array.from({ length: 8 * 8 * 3 }, (_, i) => [0x12ff, 0x8000, 0xfe01][i % 3]!);
    for (const encode of [
      (image: Sharp) => image.png(),
      (image: Sharp) => image.tiff({ compression: 'none' }),
    ]) {
      const image = sharp(data, { raw: { width: 8, height: 8, channels: 3 } }).toColourspace('rgb16');
      const bytes = await encode(image).toBuffer();
      expect((await sharp(bytes).metadata()).depth).to.equal('ushort');
      expect((await corners(bytes)).colours[0]).to.deep.equal([0x12, 0x80, 0xfe]);
    }
  });

  it('reads grey of 8, 16 and 1 bits', async () => {
    const grey = draw(16, 16, () => [136, 136, 136]).toColourspace('b-w');
    const wide = sharp(new Uint16Array(64).fill(0x88ff), { raw: { width: 8, height: 8, channels: 1 } });
    const levels = await Promise.all(
      [
        await grey.clone().png().toBuffer(),
        await grey.clone().jpeg({ quality: 100 }).toBuffer(),
        await wide.toColourspace('grey16').png().toBuffer(),
        await draw(16, 16, () => [255, 255, 255])
          .toColourspace('b-w')
          .png({ palette: true, colours: 2 })
          .toBuffer(),
      ].map(async (bytes) => (await corners(bytes)).colours[0]),
    );
    for (const level of levels.slice(0, 3)) expect(new Set(level)).to.deep.equal(new Set([136]));
    expect(new Set(levels[3])).to.deep.equal(new Set([255]));
  });

  describe('of transparency', () => {
    const half = { r: 200, g: 100, b: 0, alpha: 0.5 };
    const pixel = async (bytes: Uint8Array, options: Parameters<typeof decodeImage>[1]) => [
      ...(await decodeImage(bytes, options)).data.subarray(0, 3),
    ];
    const encoders: readonly [string, (image: Sharp) => Sharp][] = [
      ['PNG', (image) => image.png()],
      ['WebP', (image) => image.webp({ lossless: true })],
      ['TIFF', (image) => image.tiff({ compression: 'none' })],
    ];
    for (const [name, encode] of encoders) {
      it(`lays ${name} on white unless told`, async () => {
        const image = sharp({ create: { width: 4, height: 4, channels: 4, background: half } });
        const bytes = await encode(image).toBuffer();
        expectNear(await pixel(bytes, {}), [227, 177, 127], 1);
        expectNear(await pixel(bytes, { background: [0, 0, 0] }), [100, 50, 0], 1);
        expectNear(await pixel(bytes, { background: [0, 0, 255] }), [100, 50, 127], 1);
        expect(await pixel(bytes, { background: 'none' })).to.deep.equal([200, 100, 0]);
      });
    }

    it('does so for grey with alpha and for 16 bits', async () => {
      const clear = { r: 0, g: 0, b: 0, alpha: 0 };
      const image = sharp({ create: { width: 4, height: 4, channels: 4, background: clear } });
      for (const space of ['b-w', 'rgb16', 'grey16'] as const) {
        const bytes = await image.clone().toColourspace(space).png().toBuffer();
        expect(new Set(await pixel(bytes, {})), space).to.deep.equal(new Set([255]));
      }
    });

    it('does so for a palette whose colour is transparent', async () => {
      const clear = { r: 10, g: 20, b: 30, alpha: 0 };
      const image = sharp({ create: { width: 4, height: 4, channels: 4, background: clear } });
      for (const bytes of [
        await image.clone().png({ palette: true }).toBuffer(),
        await image.gif().toBuffer(),
      ]) {
        expect(await pixel(bytes, { background: [1, 2, 3] })).to.deep.equal([1, 2, 3]);
      }
    });
  });

  describe('of colour profiles', () => {
    it('takes the numbers as they are, or converts to sRGB where that is asked for', async () => {
      const bytes = await draw(8, 8, () => [240, 60, 60])
        .withIccProfile('p3')
        .png()
        .toBuffer();
      const stored = [...(await sharp(bytes, { ignoreIcc: true }).raw().toBuffer()).subarray(0, 3)];
      expect(stored[0]).to.be.below(232); // P3 says this red with smaller numbers
      const { data } = await decodeImage(bytes);
      expect([...data.subarray(0, 3)]).to.deep.equal(stored);
      const converted = await decodeImage(bytes, { profiles: 'convert' });
      expectNear([...converted.data.subarray(0, 3)], [240, 60, 60], 2);
    });

    it('turns CMYK to what it looks like by its profile, in JPEG and TIFF', async () => {
      for (const colour of [
        [200, 60, 50],
        [60, 150, 70],
        [50, 70, 140],
        [230, 210, 80],
      ] as const) {
        const image = draw(32, 32, () => colour)
          .toColourspace('cmyk')
          .withIccProfile('cmyk');
        for (const bytes of [
          await image.clone().jpeg({ quality: 100 }).toBuffer(),
          await image.clone().tiff({ compression: 'lzw' }).toBuffer(),
        ]) {
          expect((await sharp(bytes).metadata()).space).to.equal('cmyk');
          const { data } = await decodeImage(bytes, { profiles: 'convert' });
          expectNear([...data.subarray(0, 3)], colour, 25);
        }
      }
    });

    it('mixes CMYK as ideal inks otherwise', async () => {
      const image = quarters(32, 32).toColourspace('cmyk');
      for (const encode of [
        (cmyk: Sharp) => cmyk.jpeg({ quality: 100 }),
        (cmyk: Sharp) => cmyk.tiff({ compression: 'lzw' }),
      ]) {
        const bytes = await encode(image.clone()).toBuffer();
        const inks = await sharp(bytes).pipelineColourspace('cmyk').toColourspace('cmyk').raw().toBuffer();
        expect(inks).to.have.length(32 * 32 * 4);
        const { data } = await decodeImage(bytes);
        for (let i = 0; i < 32 * 32; i++) {
          const [c, m, y, k] = inks.subarray(i * 4, i * 4 + 4) as unknown as [number, number, number, number];
          const mixed = [c, m, y].map((ink) => ((255 - ink) * (255 - k)) / 255);
          expectNear([...data.subarray(i * 3, i * 3 + 3)], mixed, 1);
        }
      }
    });
  });
});
