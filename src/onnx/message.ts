/**
 * An encoded message, opened one level at a time: opening notes where each field's payload lies, reading a field decodes
 * it. So a weight is a view into the file, an error knows the way to its message, and what has been turned into the model
 * is not kept a second time.
 */
import { GraftError, messageOf } from '../errors.js';
import type { Field, MessageType } from './onnx-schema.js';
import { decodeText } from './protobuf-text.js';
import { quoteName } from './quote-name.js';
import { Cursor, deepestNesting } from './wire-format.js';

/** Damage, with the way to it from the outermost message: `node[3] "conv1"`, then `attribute[0]`, … */
export class DamagedMessage extends Error {
  readonly trail: string[] = [];
}

export class Message {
  readonly type: MessageType;
  /** Fields that the schema does not know, encoded. */
  readonly unknownFields: Uint8Array;
  readonly #bytes: Buffer;
  readonly #from: number;
  readonly #to: number;
  readonly #depth: number;
  /** Of each payload, in the file's order: field number, start, end. One flat list, because there are many messages. */
  readonly #payloads: number[] = [];

  /** @throws DamagedMessage where the bytes are no such message. */
  constructor(type: MessageType, bytes: Buffer, from = 0, to = bytes.length, depth = 0) {
    this.type = type;
    this.#bytes = bytes;
    this.#from = from;
    this.#to = to;
    this.#depth = depth;
    const unknown: [start: number, end: number][] = [];
    try {
      if (depth >= deepestNesting) throw new Error(`it is nested deeper than ${deepestNesting} messages`);
      const cursor = new Cursor(bytes, from, to);
      while (!cursor.isAtEnd) {
        const begin = cursor.position;
        const tag = cursor.tag();
        const field = type.byId.get(tag >>> 3);
        const wireType = tag & 7;
        // Repeated numbers come packed or one by one, whatever the schema says.
        const isKnown = field && (wireType === field.wireType || (wireType === 2 && field.isRepeated));
        let start = cursor.position;
        try {
          if (wireType === 2) {
            const length = cursor.uint31();
            start = cursor.position;
            cursor.skip(length);
          } else {
            cursor.skipPayload(tag);
          }
        } catch (error) {
          throw new Error(`field ${field?.name ?? tag >>> 3}: ${messageOf(error)}`, { cause: error });
        }
        if (!isKnown) {
          // Neighbours are taken as one: a view takes many times the memory of the smallest field.
          const before = unknown.at(-1);
          if (before?.[1] === begin) before[1] = cursor.position;
          else unknown.push([begin, cursor.position]);
          continue;
        }
        this.#payloads.push(field.id, start, cursor.position);
      }
    } catch (error) {
      throw new DamagedMessage(messageOf(error), { cause: error });
    }
    this.unknownFields =
      unknown.length === 0 ? nothing : joined(unknown.map(([start, end]) => view(bytes, start, end)));
  }

  /** The whole message as it came; a view. */
  get encoded(): Uint8Array {
    return view(this.#bytes, this.#from, this.#to);
  }

  has(name: string): boolean {
    return this.#lastOf(name) >= 0;
  }

  text(name: string): string {
    const [from, to] = this.#last(name);
    return from === to ? '' : decodeText(this.#bytes, from, to);
  }

  texts(name: string): string[] {
    return this.#each(name, (from, to) => decodeText(this.#bytes, from, to));
  }

  blob(name: string): Uint8Array {
    return view(this.#bytes, ...this.#last(name));
  }

  blobs(name: string): Uint8Array[] {
    return this.#each(name, (from, to) => view(this.#bytes, from, to));
  }

  /** An int64, 0 where absent. */
  int64(name: string): bigint {
    const [from, to] = this.#last(name);
    return from === to ? 0n : new Cursor(this.#bytes, from, to).int64();
  }

  /** An int32 or an enumeration, 0 where absent. */
  int32(name: string): number {
    const [from, to] = this.#last(name);
    return from === to ? 0 : new Cursor(this.#bytes, from, to).varint() | 0;
  }

  float(name: string): number {
    const [from, to] = this.#last(name);
    return from === to ? 0 : this.#bytes.readFloatLE(from);
  }

  /** Repeated float or double as little-endian bytes: a view where the file holds them in one piece. */
  packedFloats(name: string): Uint8Array {
    const { kind } = this.#field(name);
    const packed = joined(this.blobs(name));
    if (packed.length % (kind === 'double' ? 8 : 4) !== 0) {
      throw new DamagedMessage(`field ${name}: ${packed.length} bytes are no whole number of ${kind}s`);
    }
    return packed;
  }

  /** Repeated int32; numbers above 32 bits lose their upper half, as protobuf has it. */
  int32s(name: string): Int32Array {
    const values = new Int32Array(this.#countVarints(name));
    let count = 0;
    this.#eachVarint(name, (cursor) => (values[count++] = cursor.varint()));
    return values;
  }

  /** Repeated int64 as numbers, exact up to 2^53. */
  numbers(name: string): number[] {
    const values: number[] = [];
    this.#eachVarint(name, (cursor) => {
      const low = cursor.varint();
      values.push((cursor.high | 0) * 2 ** 32 + low);
    });
    return values;
  }

  int64s(name: string): BigInt64Array {
    const values = new BigInt64Array(this.#countVarints(name));
    const halves = new Uint32Array(values.buffer);
    let at = 0;
    this.#eachVarint(name, (cursor) => {
      halves[at++] = cursor.varint();
      halves[at++] = cursor.high;
    });
    return values;
  }

  /** The message in a field; undefined where absent. Several are one in pieces, as protobuf has it. */
  child(name: string): Message | undefined {
    const parts = this.#each(name, (from, to): [number, number] => [from, to]);
    if (parts.length === 0) return undefined;
    if (parts.length === 1) return this.#open(name, name, this.#bytes, ...parts[0]!);
    const whole = Buffer.concat(this.blobs(name));
    return this.#open(name, name, whole, 0, whole.length);
  }

  /** What `convert` makes of the message in a field; undefined where absent. */
  convert<T>(name: string, convert: (child: Message) => T): T | undefined {
    const child = this.child(name);
    return child && within(name, child, () => convert(child));
  }

  /** What `convert` makes of each message in a repeated field. */
  map<T>(name: string, convert: (child: Message) => T): T[] {
    let index = 0;
    return this.#each(name, (from, to) => {
      const where = `${name}[${index++}]`;
      const child = this.#open(name, where, this.#bytes, from, to);
      return within(where, child, () => convert(child));
    });
  }

  #open(name: string, where: string, bytes: Buffer, from: number, to: number): Message {
    const type = this.#field(name).message!;
    return within(where, undefined, () => new Message(type, bytes, from, to, this.#depth + 1));
  }

  #field(name: string): Field {
    return this.type.byName.get(name)!;
  }

  /** The payload that counts where a single field comes several times. */
  #last(name: string): [from: number, to: number] {
    const at = this.#lastOf(name);
    return at < 0 ? [0, 0] : [this.#payloads[at + 1]!, this.#payloads[at + 2]!];
  }

  /** Where the field's last payload stands in the list, or a negative number. */
  #lastOf(name: string): number {
    const { id } = this.#field(name);
    let at = this.#payloads.length - 3;
    while (at >= 0 && this.#payloads[at] !== id) at -= 3;
    return at;
  }

  #each<T>(name: string, convert: (from: number, to: number) => T): T[] {
    const payloads = this.#payloads;
    const { id } = this.#field(name);
    const results: T[] = [];
    for (let at = 0; at < payloads.length; at += 3) {
      if (payloads[at] === id) results.push(convert(payloads[at + 1]!, payloads[at + 2]!));
    }
    return results;
  }

  #countVarints(name: string): number {
    let count = 0;
    this.#each(name, (from, to) => {
      for (let i = from; i < to; i++) if (this.#bytes[i]! < 128) count++;
    });
    return count;
  }

  #eachVarint(name: string, visit: (cursor: Cursor) => void): void {
    this.#each(name, (from, to) => {
      const cursor = new Cursor(this.#bytes, from, to);
      try {
        while (!cursor.isAtEnd) visit(cursor);
      } catch (error) {
        throw new DamagedMessage(`field ${name}: ${messageOf(error)}`, { cause: error });
      }
    });
  }
}

const nothing = new Uint8Array();

/** Not Buffer's own, so that no Buffer with its different `slice` gets into a model. */
function view(bytes: Buffer, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from);
}

/** The only part itself, or a copy of all of them. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : new Uint8Array(Buffer.concat(parts));
}

/** Runs `action`; damage that it finds gets `where` put before its trail. */
function within<T>(where: string, message: Message | undefined, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof GraftError) throw error;
    const damage =
      error instanceof DamagedMessage ? error : new DamagedMessage(messageOf(error), { cause: error });
    damage.trail.unshift(message ? where + nameOf(message) : where);
    throw damage;
  }
}

function nameOf(message: Message): string {
  const name = message.type.byName.has('name') ? message.text('name') : '';
  return name === '' ? '' : ` ${quoteName(name)}`;
}
