/** Models to ONNX files. */
import { GraftError, messageOf } from '../errors.js';
import { writeDurably } from '../write-durably.js';
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
  await writeDurably(file, encodeModel(model));
}
