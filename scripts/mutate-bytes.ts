import type { Rng } from '../src/rng.js';

const awkward = [0, 1, 0x7f, 0x80, 0xff, 10, 0x12];

/** The bytes with one to four changes of a byte, a bit or a stretch; never empty. */
export function mutateBytes(source: Buffer, rng: Rng): Buffer {
  const below = (limit: number): number => Math.floor(rng.uniform() * limit);
  let bytes = Buffer.from(source);
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = below(bytes.length);
    const length = 1 + below(12);
    switch (below(7)) {
      case 0:
        bytes[at]! ^= 1 << below(8);
        break;
      case 1:
        bytes[at] = below(256);
        break;
      case 2:
        bytes[at] = awkward[below(awkward.length)]!;
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(length, below(256)), bytes.subarray(at)]);
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at + 4 * length), bytes.subarray(at)]);
        break;
      default:
        bytes.copy(bytes, below(bytes.length), at, at + length);
    }
    if (bytes.length === 0) return Buffer.from(source);
  }
  return bytes;
}
