/**
 * Protobuf's wire format: a message is a row of fields, each a tag (number and wire type) and a payload.
 * https://protobuf.dev/programming-guides/encoding. Nothing here trusts a length before it has been compared with what
 * is left. Written by hand because a general decoder copies weights, cannot say where in the model the damage is, and
 * needs the whole file in memory twice to write it.
 */

/** Protobuf's own limit on nested messages; ONNX Runtime reads no deeper. */
export const deepestNesting = 100;
/** Protobuf's own limit on a file. */
export const largestMessage = 2 ** 31 - 1;

/** Walks over encoded bytes between `position` and `end`. */
export class Cursor {
  readonly bytes: Uint8Array;
  position: number;
  readonly end: number;

  constructor(bytes: Uint8Array, position: number, end: number) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.position >= this.end;
  }

  /** Steps over `length` bytes. @throws Error where fewer are left. */
  skip(length: number): void {
    const left = this.end - this.position;
    if (length > left) throw new Error(`byte ${this.position} begins ${length} bytes but ${left} are left`);
    this.position += length;
  }

  skipVarint(): void {
    const start = this.position;
    for (let i = 0; i < 10; i++) {
      if (this.position >= this.end) throw new Error(`the number at byte ${start} is cut off`);
      if (this.bytes[this.position++]! < 128) return;
    }
    throw new Error(`the number at byte ${start} is longer than 10 bytes`);
  }

  /** A varint's low and high 32 bits, in turn: `low` is returned and `high` kept in the field of that name. */
  varint(): number {
    const { bytes } = this;
    const start = this.position;
    this.skipVarint();
    let low = 0;
    let high = 0;
    for (let i = start, shift = 0; i < this.position; i++, shift += 7) {
      const septet = bytes[i]! & 127;
      if (shift < 32) low |= septet << shift;
      if (shift === 28) high |= septet >>> 4;
      else if (shift > 28) high |= septet << (shift - 32);
    }
    this.high = high >>> 0;
    return low >>> 0;
  }
  high = 0;

  int64(): bigint {
    const low = this.varint();
    return this.high === 0 ? BigInt(low) : BigInt.asIntN(64, (BigInt(this.high) << 32n) | BigInt(low));
  }

  /** A length or tag. @throws Error above 2 GiB, which protobuf does not allow. */
  uint31(): number {
    const start = this.position;
    const low = this.varint();
    if (this.high !== 0 || low > largestMessage) {
      throw new Error(`byte ${start} holds the impossible length or field ${this.high * 2 ** 32 + low}`);
    }
    return low;
  }

  /** A tag. @throws Error for field number 0. */
  tag(): number {
    const start = this.position;
    const low = this.varint();
    if (this.high !== 0 || low < 8) throw new Error(`byte ${start} begins no field`);
    return low;
  }

  /** Steps over a payload of the wire type of `tag`. */
  skipPayload(tag: number, depth = 0): void {
    const start = this.position;
    switch (tag & 7) {
      case 0:
        return this.skipVarint();
      case 1:
        return this.skip(8);
      case 2:
        return this.skip(this.uint31());
      case 3:
        return this.#skipGroup(tag, depth);
      case 5:
        return this.skip(4);
      default:
        throw new Error(`the field at byte ${start} has the impossible wire type ${tag & 7}`);
    }
  }

  #skipGroup(tag: number, depth: number): void {
    if (depth >= deepestNesting) throw new Error(`groups are nested deeper than ${deepestNesting}`);
    for (;;) {
      if (this.isAtEnd) throw new Error(`the group of field ${tag >>> 3} has no end`);
      const inner = this.tag();
      if ((inner & 7) === 4) {
        if (inner >>> 3 !== tag >>> 3) throw new Error(`the group of field ${tag >>> 3} ends as another`);
        return;
      }
      this.skipPayload(inner, depth + 1);
    }
  }
}

export function varintLength(value: number): number {
  if (value < 128) return 1;
  if (value < 16384) return 2;
  if (value < 2097152) return 3;
  return value < 268435456 ? 4 : 5;
}
