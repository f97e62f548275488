/**
 * Messages to bytes, in two passes: the first measures, because a length stands before what it measures, the second
 * writes. The bytes are those that onnx's own serializer gives: fields by number, repeated numbers one by one. Large byte
 * fields are not copied: the result lists them between the pieces written here, so a model costs its structure to
 * encode, not its weights.
 */
import type { ExternalContent } from './ir.js';
import type { Field, MessageType } from './onnx-schema.js';
import { encodeText, hasSurrogates, textLength } from './protobuf-text.js';
import { deepestNesting, varintLength } from './wire-format.js';

/** A message to be written, by the schema's field names; absent fields are undefined. */
export interface Fields {
  readonly [field: string]: FieldValue | readonly FieldValue[] | undefined;
  /** Encoded fields, written after the others. */
  readonly unknownFields?: Uint8Array | undefined;
}

/** Bytes stand for a bytes field, or for a message that is encoded already. */
export type FieldValue = string | number | bigint | Uint8Array | ExternalContent | Fields;

export type Piece = Uint8Array | ExternalContent;

export interface EncodedMessage {
  /** In bytes, of all pieces together. */
  readonly length: number;
  readonly pieces: readonly Piece[];
}

/** Byte fields from this size on are pieces of their own. */
const ownPiece = 4096;

export function encodeMessage(type: MessageType, message: Fields): EncodedMessage {
  const layout: Layout = { lengths: [], large: 0 };
  const length = measure(type, message, layout, 0);
  return { length, pieces: new Encoder(layout.lengths).encode(type, message, length - layout.large) };
}

interface Layout {
  /** Of every payload that has its length before it, in writing order. */
  readonly lengths: number[];
  /** Bytes in pieces of their own. */
  large: number;
}

const isSmall = (piece: Piece): piece is Uint8Array => piece instanceof Uint8Array && piece.length < ownPiece;

/** One field with its tag, its payload encoded already. */
export function encodeField(type: MessageType, name: string, payload: Uint8Array): Uint8Array {
  const { pieces } = encodeMessage(type, { [name]: payload });
  return Buffer.concat(pieces as Uint8Array[]);
}

const list = (value: FieldValue | readonly FieldValue[]): readonly FieldValue[] =>
  Array.isArray(value) ? (value as readonly FieldValue[]) : [value as FieldValue];

const tagOf = ({ id, wireType }: Field): number => id * 8 + wireType;

function measure(type: MessageType, message: Fields, layout: Layout, depth: number): number {
  if (depth >= deepestNesting) throw new Error(`it is nested deeper than ${deepestNesting} messages`);
  const { lengths } = layout;
  const { unknownFields } = message;
  let total = unknownFields ? pieceLength(unknownFields, layout) : 0;
  for (const field of type.fields) {
    const value = message[field.name];
    if (value === undefined) continue;
    for (const item of list(value)) {
      total += varintLength(tagOf(field));
      if (field.wireType !== 2) {
        total += numberLength(field, item as number | bigint);
        continue;
      }
      // Its place in the list is before those of what it holds.
      const place = lengths.push(0) - 1;
      const length =
        typeof item === 'string'
          ? textLength(item)
          : item instanceof Uint8Array || !field.message
            ? pieceLength(item as Piece, layout)
            : measure(field.message, item as Fields, layout, depth + 1);
      lengths[place] = length;
      total += varintLength(length) + length;
    }
  }
  return total;
}

function pieceLength(piece: Piece, layout: Layout): number {
  if (!isSmall(piece)) layout.large += piece.length;
  return piece.length;
}

function numberLength({ kind }: Field, value: number | bigint): number {
  if (kind === 'float') return 4;
  if (kind === 'double') return 8;
  if (value < 0) return 10;
  if (value <= 0xffffffff) return varintLength(Number(value));
  const high = Number(BigInt(value) >> 32n);
  return Math.ceil((64 - Math.clz32(high)) / 7);
}

class Encoder {
  readonly #lengths: readonly number[];
  #nextLength = 0;
  #buffer = Buffer.alloc(0);
  #position = 0;
  #pieceStart = 0;
  readonly #pieces: Piece[] = [];

  constructor(lengths: readonly number[]) {
    this.#lengths = lengths;
  }

  /** @param small - bytes that are not in pieces of their own */
  encode(type: MessageType, message: Fields, small: number): Piece[] {
    this.#buffer = Buffer.allocUnsafe(small);
    this.#message(type, message);
    this.#endPiece();
    if (this.#position !== this.#buffer.length) throw new Error('a message changed while it was written');
    return this.#pieces;
  }

  #message(type: MessageType, message: Fields): void {
    for (const field of type.fields) {
      const value = message[field.name];
      if (value === undefined) continue;
      for (const item of list(value)) {
        this.#varint(tagOf(field));
        if (field.wireType !== 2) {
          this.#number(field, item as number | bigint);
          continue;
        }
        this.#varint(this.#lengths[this.#nextLength++]!);
        if (typeof item === 'string') this.#text(item);
        else if (item instanceof Uint8Array || !field.message) this.#piece(item as Piece);
        else this.#message(field.message, item as Fields);
      }
    }
    if (message.unknownFields) this.#piece(message.unknownFields);
  }

  #text(text: string): void {
    if (hasSurrogates(text)) this.#bytes(encodeText(text));
    else this.#position += this.#buffer.write(text, this.#position);
  }

  #piece(piece: Piece): void {
    if (isSmall(piece)) return this.#bytes(piece);
    this.#endPiece();
    this.#pieces.push(piece);
  }

  #endPiece(): void {
    if (this.#pieceStart < this.#position) {
      this.#pieces.push(this.#buffer.subarray(this.#pieceStart, this.#position));
    }
    this.#pieceStart = this.#position;
  }

  #bytes(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#position);
    this.#position += bytes.length;
  }

  #number({ kind }: Field, value: number | bigint): void {
    if (kind === 'float') this.#position = this.#buffer.writeFloatLE(Number(value), this.#position);
    else if (kind === 'double') this.#position = this.#buffer.writeDoubleLE(Number(value), this.#position);
    else if (value >= 0 && value <= 0xffffffff) this.#varint(Number(value));
    else {
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest > 127n; rest >>= 7n) this.#buffer[this.#position++] = Number(rest & 127n) | 128;
      this.#buffer[this.#position++] = Number(rest);
    }
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#buffer[this.#position++] = (rest % 128) | 128;
    this.#buffer[this.#position++] = rest;
  }
}
