/**
 * Protobuf fields as bytes, for the handful of small messages of an event file. A field is a list of chunks, a message
 * the chunks of its fields; nothing needs a schema or a library for that.
 * https://protobuf.dev/programming-guides/encoding
 */
import { Buffer } from 'node:buffer';

export function int(field: number, value: number): Uint8Array {
  return Buffer.from([...varint(field << 3), ...varint(value)]);
}

export function double(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([Buffer.from(varint((field << 3) | 1)), bytes]);
}

export function float(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([Buffer.from(varint((field << 3) | 5)), bytes]);
}

export function text(field: number, value: string): Uint8Array {
  return message(field, Buffer.from(value, 'utf8'));
}

/** A field whose value is a message (or bytes). */
export function message(field: number, ...fields: readonly Uint8Array[]): Uint8Array {
  const length = fields.reduce((sum, bytes) => sum + bytes.length, 0);
  return Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(length)]), ...fields]);
}

/** Of a whole number from 0 up to 2⁵³. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}
