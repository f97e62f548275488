import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import sharp from 'sharp';
import { decodeImage } from '../../src/image/decode-image.js';
import { thumbnail } from '../../src/image/thumbnail.js';

interface Fixture {
  readonly name: string;
  readonly file: string;
  readonly levels: readonly number[];
}

/** By scripts/fixtures/make-plain-format-fixtures.py. */
const fixtures = JSON.parse(
  readFileSync('test/image/fixtures/plain-formats.json', 'utf8'),
) as readonly Fixture[];

describe('Bitmaps, PBM, PGM and PPM', () => {
  for (const { name, file, levels } of fixtures) {
    it(`have the levels that Pillow reads: ${name}`, async () => {
      const image = await decodeImage(Buffer.from(file, 'base64'));
      expect(image).to.include({ width: 5, height: 3 });
      const each = 3 / image.channels;
      const found = [...image.data].flatMap((level) => new Array<number>(each).fill(level));
      expect(found).to.deep.equal(levels);
    });

    it(`are refused where the end is missing: ${name}`, async () => {
      const bytes = Buffer.from(file, 'base64');
      const error = await decodeImage(bytes.subarray(0, bytes.length - 6)).catch((reason: unknown) => reason);
      expect(error).to.include({ code: 'INVALID_IMAGE' });
      expect(String(error)).to.match(/truncated or damaged/);
    });
  }

  it('are laid on the background where they are transparent', async () => {
    const bytes = Buffer.alloc(14 + 124 + 4);
    bytes.write('BM');
    for (const [at, value] of [
      [10, 138],
      [14, 124],
      [18, 1],
      [22, 1],
      [26, 1 | (32 << 16)],
      [30, 3],
      [54, 0xff0000],
      [58, 0xff00],
      [62, 0xff],
      [66, 0xff000000],
      [138, 0x33ff0000],
    ] as const)
      bytes.writeUInt32LE(value, at);
    expect([...(await decodeImage(bytes)).data]).to.deep.equal([255, 204, 204]);
    expect([...(await decodeImage(bytes, { background: 'none' })).data]).to.deep.equal([255, 0, 0]);
  });

  it('of more pixels than allowed, or compressed, are refused before they are read', async () => {
    const [{ file }] = fixtures as [Fixture];
    const bytes = Buffer.from(file, 'base64');
    const refused = async (image: Uint8Array): Promise<string> =>
      String(await decodeImage(image).catch((reason: unknown) => reason));
    bytes.writeInt32LE(2 ** 30, 18);
    expect(await refused(bytes)).to.match(/more than \d+ pixels/);
    bytes.writeInt32LE(5, 18);
    bytes.writeUInt32LE(4, 30);
    expect(await refused(bytes)).to.match(/compressed \(4\).*PNG/);
    expect(await refused(Buffer.from('P6 999999 999999 255\n'))).to.match(/more than \d+ pixels/);
    expect(await refused(Buffer.from('P6 0 1 255\n'))).to.match(/no pixels/);
  });

  it('have small pictures for reports', async () => {
    for (const name of ['24 bits', 'P5']) {
      const { file } = fixtures.find((fixture) => fixture.name === name)!;
      expect(await sharp(await thumbnail(Buffer.from(file, 'base64'))).metadata()).to.include({
        format: 'jpeg',
        width: 112,
      });
    }
  });
});
