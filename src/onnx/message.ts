/**
 * An encoded message, opened one level at a time: opening notes where each field's payload lies, reading a field decodes
 * it. So a weight is a view into the file, an error knows the way to its message, and what has been turned into the model
 * is not kept a second time.
 */
import { GraftError, messageOf } from '../errors.js';
import type { Field, MessageType } from './onnx-schema.js';
import { decodeText } from './protobuf-text.js';
import { Cursor, deepestNesting } from './wire-format.js';

/** Damage, with the way to it from the outermost message: `node[3] "conv1"`, then `attribute[0]`, … */
export class DamagedMessage extends Error {
  readonly trail: string[] = [];
}

export class Message {
  readonly type: MessageType;
  /** The encoded message. */
  readonly bytes: Buffer;
  /** Fields that the schema does not know, encoded. */
  readonly unknownFields: Uint8Array;
  readonly #depth: number;
  /** Field number to the start and end of each of its payloads, in turn. */
  readonly #payloads = new Map<number, number[]>();

  /** @throws DamagedMessage where the bytes are no such message. */
  constructor(type: MessageType, bytes: Buffer, depth = 0) {
    this.type = type;
    this.bytes = bytes;
    this.#depth = depth;
    const unknown: number[] = [];
    try {
      if (depth >= deepestNesting) throw new Error(`it is nested deeper than ${deepestNesting} messages`);
      const cursor = new Cursor(bytes, 0, bytes.length);
      while (!cursor.isAtEnd) {
        const start = cursor.position;
        const tag = cursor.tag();
        const field = type.byId.get(tag >>> 3);
        const wireType = tag & 7;
        // Repeated numbers come packed or one by one, whatever the schema says.
        const isKnown = field && (wireType === field.wireType || (wireType === 2 && field.isRepeated));
        let from = cursor.position;
        try {
          if (wireType === 2) {
            const length = cursor.uint31();
            from = cursor.position;
            cursor.skip(length);
          } else {
            cursor.skipPayload(tag);
          }
        } catch (error) {
          throw new Error(`field ${field?.name ?? tag >>> 3}: ${messageOf(error)}`, { cause: error });
        }
        if (!isKnown) {
          // Neighbours are taken as one: a view takes many times the memory of the smallest field.
          if (unknown.at(-1) === start) unknown.pop();
          else unknown.push(start);
          unknown.push(cursor.position);
          continue;
        }
        const known = this.#payloads.get(field.id);
        if (known) known.push(from, cursor.position);
        else this.#payloads.set(field.id, [from, cursor.position]);
      }
    } catch (error) {
      throw new DamagedMessage(messageOf(error), { cause: error });
    }
    this.unknownFields =
      unknown.length === 2
        ? bytes.subarray(unknown[0], unknown[1])
        : Buffer.concat(eachPair(unknown, (from, to) => bytes.subarray(from, to)));
  }

  has(name: string): boolean {
    return this.#payloads.has(this.#field(name).id);
  }

  text(name: string): string {
    const [from, to] = this.#last(name);
    return from === to ? '' : decodeText(this.bytes, from, to);
  }

  texts(name: string): string[] {
    return this.#each(name, (from, to) => decodeText(this.bytes, from, to));
  }

  blob(name: string): Uint8Array {
    return this.bytes.subarray(...this.#last(name));
  }

  blobs(name: string): Uint8Array[] {
    return this.#each(name, (from, to) => this.bytes.subarray(from, to));
  }

  /** An int64, 0 where absent. */
  int64(name: string): bigint {
    const [from, to] = this.#last(name);
    return from === to ? 0n : new Cursor(this.bytes, from, to).int64();
  }

  /** An int32 or an enumeration, 0 where absent. */
  int32(name: string): number {
    const [from, to] = this.#last(name);
    return from === to ? 0 : new Cursor(this.bytes, from, to).varint() | 0;
  }

  float(name: string): number {
    const [from, to] = this.#last(name);
    return from === to ? 0 : this.bytes.readFloatLE(from);
  }

  /** Repeated float or double as little-endian bytes: a view where the file holds them in one piece. */
  packedFloats(name: string): Uint8Array {
    const { kind } = this.#field(name);
    const parts = this.blobs(name);
    const packed = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
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
    const parts = this.blobs(name) as Buffer[];
    if (parts.length === 0) return undefined;
    return this.#open(name, parts.length === 1 ? parts[0]! : Buffer.concat(parts), name);
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
      const child = this.#open(name, this.bytes.subarray(from, to), where);
      return within(where, child, () => convert(child));
    });
  }

  #open(name: string, bytes: Buffer, where: string): Message {
    const type = this.#field(name).message!;
    return within(where, undefined, () => new Message(type, bytes, this.#depth + 1));
  }

  #field(name: string): Field {
    return this.type.byName.get(name)!;
  }

  /** The payload that counts where a single field comes several times. */
  #last(name: string): [number, number] {
    const payloads = this.#payloads.get(this.#field(name).id);
    return payloads ? [payloads.at(-2)!, payloads.at(-1)!] : [0, 0];
  }

  #each<T>(name: string, convert: (from: number, to: number) => T): T[] {
    return eachPair(this.#payloads.get(this.#field(name).id) ?? [], convert);
  }

  #countVarints(name: string): number {
    let count = 0;
    this.#each(name, (from, to) => {
      for (let i = from; i < to; i++) if (this.bytes[i]! < 128) count++;
    });
    return count;
  }

  #eachVarint(name: string, visit: (cursor: Cursor) => void): void {
    this.#each(name, (from, to) => {
      const cursor = new Cursor(this.bytes, from, to);
      try {
        while (!cursor.isAtEnd) visit(cursor);
      } catch (error) {
        throw new DamagedMessage(`field ${name}: ${messageOf(error)}`, { cause: error });
      }
    });
  }
}

/** Starts and ends, in turn. */
function eachPair<T>(positions: readonly number[], convert: (from: number, to: number) => T): T[] {
  const results: T[] = [];
  for (let i = 0; i < positions.length; i += 2) results.push(convert(positions[i]!, positions[i + 1]!));
  return results;
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
  return name === '' ? '' : ` "${name}"`;
}
