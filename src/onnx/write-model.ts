/** Models to ONNX files. */
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf, unwritable } from '../errors.js';
import type { Model } from './ir.js';
import { modelToProto } from './model-to-proto.js';
import { encodeModelProto } from './onnx-schema.js';

/**
 * The model as one file's bytes; external data is read and put inside.
 * @throws GraftError UNSUPPORTED_MODEL where the whole is larger than protobuf's 2 GiB.
 */
export function encodeModel(model: Model): Uint8Array {
  try {
    return encodeModelProto(modelToProto(model));
  } catch (error) {
    if (error instanceof GraftError) throw error;
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `The model cannot be encoded as one file: ${messageOf(error)}.`,
      {
        cause: error,
      },
    );
  }
}

/** @throws GraftError FILE_UNWRITABLE; what stood there before is then untouched. */
export async function writeModel(model: Model, file: string): Promise<void> {
  const bytes = encodeModel(model);
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.tmp`);
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw unwritable(file, error);
  }
}
