/**
 * Texts of a model file. They should be UTF-8, but nothing enforces it and some exporters write their code page. A byte
 * that is no UTF-8 becomes the lone surrogate U+DC00 + byte and is written back as that byte, so that names stay
 * different from each other and the file's own (Python's "surrogateescape", PEP 383).
 */

/** The text in bytes `start` to `end`. */
export function decodeText(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end);
  return text.includes('\ufffd') ? decodeEscaping(bytes.subarray(start, end)) : text;
}

/** UTF-8 by the table of well-formed sequences (Unicode 16, table 3-7); what is outside it is escaped byte by byte. */
function decodeEscaping(bytes: Uint8Array): string {
  const units = new Uint16Array(bytes.length);
  let count = 0;
  const isContinuation = (at: number, from = 0x80, to = 0xbf): boolean =>
    at < bytes.length && bytes[at]! >= from && bytes[at]! <= to;
  for (let i = 0; i < bytes.length;) {
    const lead = bytes[i]!;
    if (lead < 0x80) {
      units[count++] = lead;
      i++;
    } else if (lead >= 0xc2 && lead <= 0xdf && isContinuation(i + 1)) {
      units[count++] = ((lead & 0x1f) << 6) | (bytes[i + 1]! & 0x3f);
      i += 2;
    } else if (
      (lead & 0xf0) === 0xe0 &&
      isContinuation(i + 1, lead === 0xe0 ? 0xa0 : 0x80, lead === 0xed ? 0x9f : 0xbf) &&
      isContinuation(i + 2)
    ) {
      units[count++] = ((lead & 0xf) << 12) | ((bytes[i + 1]! & 0x3f) << 6) | (bytes[i + 2]! & 0x3f);
      i += 3;
    } else if (
      lead >= 0xf0 &&
      lead <= 0xf4 &&
      isContinuation(i + 1, lead === 0xf0 ? 0x90 : 0x80, lead === 0xf4 ? 0x8f : 0xbf) &&
      isContinuation(i + 2) &&
      isContinuation(i + 3)
    ) {
      const code =
        ((lead & 7) << 18) |
        ((bytes[i + 1]! & 0x3f) << 12) |
        ((bytes[i + 2]! & 0x3f) << 6) |
        (bytes[i + 3]! & 0x3f);
      units[count++] = 0xd800 + ((code - 0x10000) >>> 10);
      units[count++] = 0xdc00 + (code & 0x3ff);
      i += 4;
    } else {
      units[count++] = 0xdc00 + lead;
      i++;
    }
  }
  return Buffer.from(units.buffer, 0, count * 2).toString('utf16le');
}

const escapedBytes = /(?<![\ud800-\udbff])[\udc80-\udcff]+/g;

/** What `decodeText` was given. */
export function encodeText(text: string): Buffer {
  const parts: Buffer[] = [];
  let done = 0;
  for (const { 0: run, index } of text.matchAll(escapedBytes)) {
    parts.push(Buffer.from(text.slice(done, index)), Buffer.from(run, 'latin1'));
    done = index + run.length;
  }
  return parts.length === 0 ? Buffer.from(text) : Buffer.concat([...parts, Buffer.from(text.slice(done))]);
}

/** Whether a text may hold escaped bytes; if not, `encodeText` is plain UTF-8. */
export function hasSurrogates(text: string): boolean {
  return /[\ud800-\udfff]/.test(text);
}

/** How many bytes `encodeText` gives. */
export function textLength(text: string): number {
  return hasSurrogates(text) ? encodeText(text).length : Buffer.byteLength(text);
}
