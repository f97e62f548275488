import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import sharp, { type Sharp } from 'sharp';
import { decodeImage } from '../../src/image/decode-image.js';
import { dropColourNotes } from '../../src/image/drop-colour-notes.js';
import { imageFormat } from '../../src/image/image-format.js';
import { createRng } from '../../src/rng.js';

describe('dropColourNotes', () => {
  const rng = createRng(8);
  const noise = Uint8Array.from({ length: 40 * 30 * 3 }, () => rng.integer(256));
  const draw = (): Sharp => sharp(noise, { raw: { width: 40, height: 30, channels: 3 } });
  const without = (bytes: Buffer, profiles?: 'convert'): Buffer =>
    Buffer.from(dropColourNotes(Uint8Array.from(bytes), imageFormat(bytes), profiles));

  for (const format of ['jpeg', 'png'] as const) {
    it(`leaves a reader of profiles the numbers of a ${format.toUpperCase()} as they are stored`, async () => {
      const bytes = await draw().withIccProfile('p3').toFormat(format).toBuffer();
      const stored = await decodeImage(bytes, { profiles: 'ignore' });
      const converted = await decodeImage(bytes, { profiles: 'convert' });
      expect([...converted.data]).not.to.deep.equal([...stored.data]);
      const dropped = await decodeImage(without(bytes), { profiles: 'convert' });
      expect([...dropped.data]).to.deep.equal([...stored.data]);
      expect(without(bytes, 'convert')).to.deep.equal(bytes);
    });
  }

  it('drops the gamma and primaries of a PNG, and nothing else', async () => {
    const png = await draw().png().toBuffer();
    const noted = Buffer.concat([png.subarray(0, 33), chunk('gAMA', 4), chunk('cHRM', 32), png.subarray(33)]);
    for (const profiles of [undefined, 'convert'] as const)
      expect(without(noted, profiles)).to.deep.equal(png);
  });

  it('leaves other formats and spoilt bytes as they are', async () => {
    const webp = await draw().webp().toBuffer();
    expect(without(webp)).to.deep.equal(webp);
    const jpeg = await draw().withIccProfile('p3').jpeg().toBuffer();
    for (let length = 3; length < 700; length += 7) {
      expect(without(jpeg.subarray(0, length)).length).to.be.most(length);
    }
    const png = await draw().png().toBuffer();
    const endless = Buffer.concat([png.subarray(0, 33), Buffer.from('ffffffff', 'hex'), Buffer.from('gAMA')]);
    expect(without(endless)).to.deep.equal(png.subarray(0, 33));
  });
});

function chunk(type: string, length: number): Buffer {
  const bytes = Buffer.alloc(12 + length);
  bytes.writeUInt32BE(length);
  bytes.write(type, 4, 'latin1');
  bytes.fill(1, 8, 8 + length);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + length)), 8 + length);
  return bytes;
}
