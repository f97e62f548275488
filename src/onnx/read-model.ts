/** ONNX files to models. */
import { open, stat } from 'node:fs/promises';
import { GraftError, invalidArgument, messageOf, unreadable } from '../errors.js';
import { ExternalData } from './external-data.js';
import { guessFormat } from './guess-format.js';
import type { Model } from './ir.js';
import { DamagedMessage, Message } from './message.js';
import { modelType } from './onnx-schema.js';
import { modelFromProto } from './proto-to-model.js';
import { sortModel } from './sort-nodes.js';
import { validateModel } from './validate-model.js';
import { largestMessage } from './wire-format.js';

/**
 * The model in a file. Its weights are views into the file's bytes, or stay in the side file until they are needed.
 * @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE or INVALID_MODEL, naming the file and the object.
 */
export async function readModel(path: string): Promise<Model> {
  return decodeModel(await readModelFile(path), { path });
}

/** The bytes of a file that may be a model. @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE, INVALID_MODEL where it is too large. */
async function readModelFile(path: string): Promise<Uint8Array> {
  if (typeof path !== 'string') throw invalidArgument('path', 'the path of an ONNX file', path);
  try {
    // Asked before it is opened: opening a pipe waits for its writer.
    const info = await stat(path);
    if (info.isDirectory()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
    if (!info.isFile()) throw new Error('it is no regular file');
    if (info.size > largestMessage) {
      throw new GraftError(
        'INVALID_MODEL',
        `${path} has ${info.size} bytes; expected an ONNX model, which holds at most 2 GiB beside its external data.`,
      );
    }
    const file = await open(path, 'r');
    try {
      const bytes = Buffer.allocUnsafeSlow(info.size);
      let length = 0;
      for (let read = -1; length < bytes.length && read !== 0; length += read) {
        ({ bytesRead: read } = await file.read(bytes, length, bytes.length - length));
      }
      return bytes.subarray(0, length);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

/**
 * The model in `bytes`; its weights are views into them. `path` names the file in errors, and its folder is where
 * external data may lie; without one, that is the current folder. Nodes come out in topological order also where the file has them in another.
 * @throws GraftError INVALID_MODEL naming the file and the object, INVALID_ARGUMENT for what is no Uint8Array.
 */
export function decodeModel(
  bytes: Uint8Array,
  { path = 'the model' }: { readonly path?: string | undefined } = {},
): Model {
  if (!(bytes instanceof Uint8Array))
    throw invalidArgument('bytes', 'the content of an ONNX file (Uint8Array)', bytes);
  if (typeof path !== 'string') throw invalidArgument('path', 'the path of an ONNX file', path);
  if (bytes.length === 0) throw new GraftError('INVALID_MODEL', `${path} is empty; expected an ONNX model.`);
  try {
    const proto = new Message(modelType, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    const model = sortModel(modelFromProto(proto, new ExternalData(path)), path);
    validateModel(model, path);
    return model;
  } catch (error) {
    if (error instanceof GraftError) throw error;
    const format = guessFormat(bytes);
    const where = error instanceof DamagedMessage ? placeOf(error) : '';
    throw new GraftError(
      'INVALID_MODEL',
      format
        ? `${path} is not an ONNX model but ${format}.`
        : `${path} is not an ONNX model, or is damaged${where}: ${messageOf(error)}.`,
      { cause: error },
    );
  }
}

/** ` at graph "main".node[3] "conv1".attribute[0] "pads"`: the way to the damage, its middle left out where it is long. */
function placeOf({ trail }: DamagedMessage): string {
  if (trail.length === 0) return '';
  const steps = trail.length > 12 ? [...trail.slice(0, 6), '…', ...trail.slice(-5)] : trail;
  return ` at ${steps.join('.')}`;
}
