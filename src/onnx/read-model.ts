/** ONNX files to models. */
import { readFile } from 'node:fs/promises';
import { GraftError, messageOf, unreadable } from '../errors.js';
import type { Model } from './ir.js';
import { decodeModelProto } from './onnx-schema.js';
import { modelFromProto } from './proto-to-model.js';
import { validateGraph } from './validate-graph.js';

/** @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE or INVALID_MODEL. */
export async function readModel(path: string): Promise<Model> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  return decodeModel(bytes, { path });
}

/**
 * The model in `bytes`; its weights are views into them. `path` names the file in errors, and its folder is where
 * external data may lie.
 * @throws GraftError INVALID_MODEL naming the file and the object.
 */
export function decodeModel(bytes: Uint8Array, { path }: { path: string }): Model {
  if (bytes.length === 0) throw new GraftError('INVALID_MODEL', `${path} is empty; expected an ONNX model.`);
  let model: Model;
  try {
    model = modelFromProto(decodeModelProto(bytes), path);
    validateGraph(model.graph, path);
  } catch (error) {
    if (error instanceof GraftError) throw error;
    throw new GraftError(
      'INVALID_MODEL',
      `${path} is not an ONNX model, or is damaged: ${messageOf(error)}.`,
      {
        cause: error,
      },
    );
  }
  return model;
}
