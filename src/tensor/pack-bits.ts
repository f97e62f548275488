/**
 * Elements narrower than a byte, as ONNX packs them: one stream of bits, the first element in the lowest bits of the
 * first byte. So two int4 share a byte, four int2 do, and four float6 share three bytes.
 */

/** The lowest `bits` of each value, packed. */
export function packBits(values: ArrayLike<number>, bits: number): Uint8Array {
  const packed = new Uint8Array(Math.ceil((values.length * bits) / 8));
  const mask = (1 << bits) - 1;
  for (let i = 0; i < values.length; i++) {
    const at = i * bits;
    const shifted = (values[i]! & mask) << (at & 7);
    packed[at >>> 3]! |= shifted;
    if (shifted > 255) packed[(at >>> 3) + 1]! |= shifted >>> 8;
  }
  return packed;
}

/** The bit patterns of `count` elements of `bits` each. */
export function unpackBits(packed: Uint8Array, bits: number, count: number): Uint8Array {
  const values = new Uint8Array(count);
  const mask = (1 << bits) - 1;
  for (let i = 0; i < count; i++) {
    const at = i * bits;
    const word = packed[at >>> 3]! | ((packed[(at >>> 3) + 1] ?? 0) << 8);
    values[i] = (word >>> (at & 7)) & mask;
  }
  return values;
}
