/**
 * TensorBoard's event files: TFRecords (length, its checksum, data, its checksum) of Event messages.
 * Field numbers: tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto.
 */
import { Buffer } from 'node:buffer';
import { appendFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { makeMissing } from '../write-durably.js';
import { maskedCrc32c } from './crc32c.js';
import { double, float, int, message, text } from './protobuf-fields.js';

export interface EventFile {
  readonly file: string;
  /** Appends a value a tag at a step, with the time. @throws the system's error where it cannot be written. */
  scalars(step: number, values: readonly (readonly [tag: string, value: number])[]): void;
  /** Appends what a plugin of TensorBoard keeps under a tag. */
  plugin(tag: string, name: string, content: Uint8Array): void;
}

let serial = 0;

/** Makes the folder and begins a new file in it: TensorBoard reads all files of a folder as one run. */
export function openEventFile(folder: string): EventFile {
  makeMissing(folder);
  const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0');
  const file = path.join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${serial++}`);
  const append = (...fields: readonly Uint8Array[]): void => {
    appendFileSync(file, record(Buffer.concat([double(1, Date.now() / 1000), ...fields])));
  };
  append(text(3, 'brain.Event:2'));
  return {
    file,
    scalars(step, values) {
      const summary = values.map(([tag, value]) => message(1, text(1, tag), float(2, value)));
      append(int(2, step), message(5, ...summary));
    },
    plugin(tag, name, content) {
      const metadata = message(9, message(1, text(1, name), message(2, content)));
      append(message(5, message(1, text(1, tag), metadata)));
    },
  };
}

function record(data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(data.length + 16);
  bytes.writeBigUInt64LE(BigInt(data.length), 0);
  bytes.writeUInt32LE(maskedCrc32c(bytes.subarray(0, 8)), 8);
  bytes.set(data, 12);
  bytes.writeUInt32LE(maskedCrc32c(data), 12 + data.length);
  return bytes;
}
