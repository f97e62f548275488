import { expect } from 'chai';
import { decodeImage } from '../../src/image/decode-image.js';

/** An uncompressed little-endian TIFF of one row of 8 or 16-bit levels. */
function tiff(
  levels: readonly number[],
  { photometric = 2, samples = 3, bits = 8, extra }: Partial<Record<string, number>> = {},
): Buffer {
  const bytes = bits / 8;
  const entries = [
    [256, levels.length / samples],
    [257, 1],
    [259, 1],
    [262, photometric],
    [277, samples],
    [278, 1],
    [279, levels.length * bytes],
    ...(extra === undefined ? [] : [[338, extra]]),
    ...(photometric === 6 ? [[530, 0x1_0001]] : []),
  ] as [number, number][];
  const start = 8 + 2 + 12 * (entries.length + 2) + 4;
  const file = Buffer.alloc(start + 2 * samples + levels.length * bytes);
  file.write('II*\0\x08', 'latin1');
  file.writeUInt16LE(entries.length + 2, 8);
  const rows: readonly (readonly [tag: number, type: number, count: number, value: number])[] = [
    ...entries.map(([tag, value]) => [tag, tag === 530 ? 3 : 4, tag === 530 ? 2 : 1, value] as const),
    [258, 3, samples, start],
    [273, 4, 1, start + 2 * samples],
  ];
  for (const [i, [tag, type, count, value]] of [...rows].sort((a, b) => a[0] - b[0]).entries()) {
    file.writeUInt16LE(tag, 10 + 12 * i);
    file.writeUInt16LE(type, 12 + 12 * i);
    file.writeUInt32LE(count, 14 + 12 * i);
    file.writeUInt32LE(value, 18 + 12 * i);
  }
  for (let i = 0; i < samples; i++) file.writeUInt16LE(bits, start + 2 * i);
  for (const [i, level] of levels.entries()) file.writeUIntLE(level, start + 2 * samples + i * bytes, bytes);
  return file;
}

const levelsOf = async (file: Buffer): Promise<number[]> => [...(await decodeImage(file)).data];
const four = [10, 20, 30, 0, 40, 50, 60, 255];

describe('A TIFF', () => {
  it('with a fourth channel keeps its colours where that is no transparency, and else lies on white', async () => {
    const samples = 4;
    expect(await levelsOf(tiff(four, { samples, extra: 0 }))).to.deep.equal([10, 20, 30, 40, 50, 60]);
    expect(await levelsOf(tiff(four, { samples, extra: 2 }))).to.deep.equal([255, 255, 255, 40, 50, 60]);
  });

  it('of inks is mixed from 8 bits, and of more refused, as is YCbCr without compression', async () => {
    expect(await levelsOf(tiff(four, { photometric: 5, samples: 4 }))).to.deep.equal([
      245, 235, 225, 0, 0, 0,
    ]);
    const refusal = async (file: Buffer): Promise<string> =>
      String(await decodeImage(file).catch((error: unknown) => error));
    expect(await refusal(tiff(four, { photometric: 5, samples: 4, bits: 16 }))).to.match(
      /The TIFF holds inks of 16 bits, which is not read; convert it to RGB/,
    );
    expect(await refusal(tiff([10, 20, 30, 40, 50, 60], { photometric: 6 }))).to.match(
      /The TIFF holds YCbCr that is not compressed as JPEG/,
    );
  });
});
