/**
 * One 512-byte header of a tar archive: ustar, its pax and GNU extensions, and the older form without a magic word.
 *
 *   0 name 100 · 124 size 12 · 148 checksum 8 · 156 type 1 · 257 magic 6 · 345 prefix 155
 *
 * Numbers are octal text, or big-endian binary after a byte 0x80 where octal does not suffice.
 */

export const tarBlock = 512;

export interface TarHeader {
  readonly name: string;
  /** Bytes of content that follow, before the padding to whole blocks. */
  readonly size: number;
  /**
   * `file`; `name` and `pax` describe the member after them; `link` and `other` (folders, devices) have no content of their own;
   * `skip` has content that is none of a file (global pax records, sparse maps, labels).
   */
  readonly kind: 'file' | 'name' | 'pax' | 'link' | 'other' | 'skip';
}

const kinds: Readonly<Record<string, TarHeader['kind']>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  L: 'name',
  x: 'pax',
  X: 'pax',
  '1': 'link',
  '2': 'link',
  '3': 'other',
  '4': 'other',
  '5': 'other',
  '6': 'other',
};

/** A block of zeros gives `end`; what is no header gives undefined. */
export function parseTarHeader(block: Uint8Array): TarHeader | 'end' | undefined {
  if (block.every((byte) => byte === 0)) return 'end';
  const checksum = number(block, 148, 8);
  // Old programs summed signed bytes.
  if (checksum !== sumOf(block, false) && checksum !== sumOf(block, true)) return undefined;
  const size = number(block, 124, 12);
  if (size === undefined) return undefined;
  const kind = kinds[String.fromCharCode(block[156]!)] ?? 'skip';
  // GNU's magic word ends in a blank; where ustar has the prefix it keeps times.
  const isUstar = text(block, 257, 6) === 'ustar' && block[262] === 0;
  const prefix = isUstar ? text(block, 345, 155) : '';
  const name = (prefix === '' ? '' : `${prefix}/`) + text(block, 0, 100);
  // Before there was a type for folders, a slash at the end made one.
  return { name, size, kind: kind === 'file' && name.endsWith('/') ? 'other' : kind };
}

/** `path` and `size` of pax records, each "LENGTH KEY=VALUE\n" where LENGTH counts the whole record. */
export function parsePax(content: Uint8Array): { readonly path?: string; readonly size?: number } {
  const found: { path?: string; size?: number } = {};
  for (let at = 0; at < content.length;) {
    const blank = content.indexOf(0x20, at);
    const length = blank < 0 ? Number.NaN : Number(text(content, at, blank - at));
    // Written so that NaN ends it too.
    if (!(length > blank - at + 1 && at + length <= content.length)) return found;
    const record = text(content, blank + 1, at + length - 1 - (blank + 1));
    const equals = record.indexOf('=');
    const value = record.slice(equals + 1);
    if (record.slice(0, equals) === 'path') found.path = value;
    if (record.slice(0, equals) === 'size' && /^\d{1,15}$/.test(value)) found.size = Number(value);
    at += length;
  }
  return found;
}

/** Up to the first zero. */
export function text(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString('utf8');
}

function number(block: Uint8Array, start: number, length: number): number | undefined {
  if (block[start]! & 0x80) {
    let value = block[start]! & 0x7f;
    for (let i = start + 1; i < start + length; i++) value = value * 256 + block[i]!;
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = text(block, start, length).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : undefined;
}

/** Of all bytes, those of the checksum itself counted as blanks. */
function sumOf(block: Uint8Array, signed: boolean): number {
  let sum = 0;
  for (let i = 0; i < tarBlock; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : block[i]!;
    sum += signed && byte > 127 ? byte - 256 : byte;
  }
  return sum;
}
