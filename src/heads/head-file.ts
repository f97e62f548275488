/** A trained head as a safetensors file, readable from Python. */
import { GraftError, messageOf } from '../errors.js';
import { decodeSafetensors, encodeSafetensors } from '../tensor/safetensors.js';
import { type HeadSpec, headKind, type TrainedHead } from './head.js';

export function encodeHead({ spec, dim, classes, parameters }: TrainedHead): Uint8Array {
  return encodeSafetensors(parameters, {
    spec: JSON.stringify(spec),
    dim: String(dim),
    classes: JSON.stringify(classes),
  });
}

/** @throws GraftError FILE_UNREADABLE where the file is damaged or holds no head. */
export function decodeHead(bytes: Uint8Array, where: string): TrainedHead {
  try {
    const { tensors, metadata } = decodeSafetensors(bytes, where);
    const spec = JSON.parse(metadata.spec ?? '') as HeadSpec;
    const classes = JSON.parse(metadata.classes ?? '') as string[];
    const dim = Number(metadata.dim);
    for (const [name, dims] of headKind(spec).parameters({ dim, classCount: classes.length })) {
      const found = tensors.get(name)?.dims;
      if (String(found) !== String(dims))
        throw new Error(`${name} should have the shape [${dims}] but has [${found}]`);
    }
    return { spec, dim, classes, parameters: tensors };
  } catch (error) {
    throw new GraftError('FILE_UNREADABLE', `${where} holds no trained head: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}
