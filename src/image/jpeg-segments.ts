/** The parts of a JPEG before its pixels. */

export interface JpegSegment {
  /** The byte after the 0xff: 0xe0 to 0xef for APP0 to APP15, 0xda for the scan that the pixels follow. */
  readonly marker: number;
  /** Of its 0xff. */
  readonly start: number;
  /** As the segment claims, which may be past the end of the bytes. */
  readonly end: number;
}

/** In their order, up to the first scan and with it, or as far as the bytes can be followed. */
export function* jpegSegments(bytes: Uint8Array): Generator<JpegSegment, void> {
  let at = 2;
  while (at + 3 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) at++;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) at += 2;
    else {
      const end = at + 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
      yield { marker, start: at, end };
      if (marker === 0xda || marker === 0xd9) return;
      at = end;
    }
  }
}
