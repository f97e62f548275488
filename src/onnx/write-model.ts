/** Models to ONNX files. */
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf, unwritable } from '../errors.js';
import { type StagedFile, stageFile } from '../write-durably.js';
import { type EncodedMessage, encodeMessage, type Piece } from './encode-message.js';
import { readExternal, readExternalInto } from './external-data.js';
import type { Model } from './ir.js';
import { modelToProto, type Placement } from './model-to-proto.js';
import { modelType } from './onnx-schema.js';
import { SideFile } from './side-file.js';
import { largestMessage } from './wire-format.js';

export interface ExternalDataOptions {
  /** Name of the side file, in the model's folder. Default: the model's name and `_data`, as transformers.js expects. */
  readonly location?: string;
  /** Initializers of this size and above go there. */
  readonly minimumBytes?: number;
}

export interface WriteModelOptions {
  /** Whether weights go to a side file; 'auto' where one file cannot hold them (2 GiB). */
  readonly externalData?: 'auto' | boolean | ExternalDataOptions;
}

/**
 * The model as one file's bytes; external data is read and put inside.
 * @throws GraftError UNSUPPORTED_MODEL where the whole is larger than protobuf's 2 GiB.
 */
export function encodeModel(model: Model): Uint8Array {
  const { length, pieces } = encode(model);
  assertFits(length);
  const bytes = Buffer.allocUnsafeSlow(length);
  let position = 0;
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) bytes.set(piece, position);
    else readExternalInto(piece, bytes.subarray(position, position + piece.length));
    position += piece.length;
  }
  return bytes;
}

/**
 * Writes the model, with its weights inside or in one side file. External data of the model is copied, so the result
 * stands by itself wherever it is. Weights are not gathered in memory.
 *
 * @throws GraftError FILE_UNWRITABLE; what stood there before is then untouched.
 * @throws GraftError UNSUPPORTED_MODEL where one file was asked for and 2 GiB do not hold it.
 */
export async function writeModel(
  model: Model,
  file: string,
  { externalData = 'auto' }: WriteModelOptions = {},
): Promise<void> {
  if (externalData === 'auto' || externalData === false) {
    const encoded = encode(model);
    if (encoded.length <= largestMessage) return writeFiles(encoded, file);
    if (externalData === false) assertFits(encoded.length);
  }
  const { location = sideFileName(file), minimumBytes = 1024 } =
    typeof externalData === 'object' ? externalData : {};
  if (location !== path.basename(location) || /[\\:]|^\.{0,2}$/.test(location)) {
    throw new GraftError(
      'INVALID_ARGUMENT',
      `Expected a file name without folders for location but received ${JSON.stringify(location)}.`,
    );
  }
  await writeWithSideFile(model, file, new SideFile(location, minimumBytes));
}

/** Bytes of the model as one file, its external data inside. */
export function encodedLength(model: Model): number {
  return encode(model).length;
}

/**
 * Writes the model and its side file.
 * @param place - where each initializer lies; default: in the side file
 * @throws as `writeModel`
 */
export async function writeWithSideFile(
  model: Model,
  file: string,
  side: SideFile,
  place: Placement = side.place,
): Promise<void> {
  const encoded = encode(model, place);
  assertFits(encoded.length);
  await writeFiles(encoded, file, side);
}

function encode(model: Model, place?: Placement): EncodedMessage {
  try {
    return encodeMessage(modelType, modelToProto(model, place));
  } catch (error) {
    if (error instanceof GraftError) throw error;
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Graph "${model.graph.name}" cannot be encoded: ${messageOf(error)}.`,
      { cause: error },
    );
  }
}

function assertFits(length: number): void {
  if (length <= largestMessage) return;
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `The model takes ${length} bytes and one ONNX file holds at most 2 GiB; write it with external data.`,
  );
}

/** The side file that belongs to a model file unless it is told otherwise. */
export function sideFileName(file: string): string {
  return `${path.basename(file)}_data`;
}

/** Both files are whole before either is put in place; the model comes last, because it refers to the other. */
async function writeFiles({ pieces }: EncodedMessage, file: string, side?: SideFile): Promise<void> {
  const staged: StagedFile[] = [];
  const stage = async (target: string, content: Iterable<Piece>): Promise<void> => {
    const next = await stageFile(target);
    staged.push(next);
    for (const piece of content) await writePiece(next.handle, piece);
    await next.handle.sync();
  };
  try {
    if (side) await stage(path.join(path.dirname(file), side.location), side.pieces());
    await stage(file, pieces);
    for (const { commit } of staged) await commit();
  } catch (error) {
    for (const { discard } of staged) await discard();
    throw unwritable(file, error);
  }
}

async function writePiece(handle: FileHandle, piece: Piece): Promise<void> {
  if (piece instanceof Uint8Array) return writeWhole(handle, piece);
  for (const part of readExternal(piece)) await writeWhole(handle, part);
}

/** Systems write a little less than 2 GiB at once. */
const longestWrite = 1 << 28;

async function writeWhole(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.length - done, longestWrite));
    done += bytesWritten;
  }
}
