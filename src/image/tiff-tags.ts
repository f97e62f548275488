/** What the first directory of a TIFF says of its pixels. */

export interface TiffTags {
  /** Of a level. */
  readonly bits: number;
  readonly compression: number;
  /** 2 red, green, blue · 5 inks · 6 YCbCr */
  readonly photometric: number;
  /** What a sample beyond the colours is: 0 not said, 1 and 2 transparency; absent where there is none. */
  readonly extra?: number | undefined;
}

/** undefined where the directory cannot be followed, as of BigTIFF; libvips tells what is wrong with it. */
export function readTiffTags(bytes: Uint8Array): TiffTags | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = bytes[0] === 0x49;
  const short = (at: number): number => view.getUint16(at, isLittle);
  const long = (at: number): number => view.getUint32(at, isLittle);
  try {
    if (short(2) !== 42) return undefined;
    const directory = long(4);
    const found = new Map<number, number>();
    for (let i = 0; i < short(directory); i++) {
      const entry = directory + 2 + 12 * i;
      // Of several numbers the first. What does not fit into four bytes lies elsewhere.
      const isLong = short(entry + 2) === 4;
      const at = long(entry + 4) * (isLong ? 4 : 2) > 4 ? long(entry + 8) : entry + 8;
      const tag = short(entry);
      if ([258, 259, 262, 338].includes(tag)) found.set(tag, isLong ? long(at) : short(at));
    }
    return {
      bits: found.get(258) ?? 1,
      compression: found.get(259) ?? 1,
      photometric: found.get(262) ?? 0,
      extra: found.get(338),
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
