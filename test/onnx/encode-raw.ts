/** Protobuf written by hand, for files that no writer makes. */

export function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** A field with a length: a text, bytes, or a message of the given fields. */
export function field(id: number, ...parts: readonly (string | Uint8Array)[]): Buffer {
  const payload = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  return Buffer.concat([varint(id * 8 + 2), varint(payload.length), payload]);
}

/** A field that is a number. */
export function number(id: number, value: number | bigint): Buffer {
  return Buffer.concat([varint(id * 8), varint(value)]);
}

const float = field(1, number(1, 1));

/** A value of float32 without a shape. */
export const value = (name: string): Buffer => Buffer.concat([field(1, name), field(2, float)]);

export const node = (
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  ...more: Buffer[]
): Buffer =>
  Buffer.concat([
    ...inputs.map((name) => field(1, name)),
    ...outputs.map((name) => field(2, name)),
    field(4, opType),
    ...more,
  ]);

/** A model of opset 17 around the fields of a graph. */
export const model = (...graph: readonly Buffer[]): Buffer =>
  Buffer.concat([number(1, 8), field(7, field(2, 'g'), ...graph), field(8, number(2, 17))]);
