/** Tensors whose bytes lie in a side file. The location comes from the file and is hostile until checked. */
import { realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { GraftError } from '../errors.js';
import type { InitializerContent } from './ir.js';

export interface ExternalTensor {
  /** The tensor, for messages. */
  readonly what: string;
  /** The model file. */
  readonly path: string;
  /** Bytes that its shape and type need. */
  readonly size: number;
}

/**
 * Where the bytes are, after the checks: inside the model's folder (symbolic links resolved) and inside the file.
 * @throws GraftError INVALID_MODEL
 */
export function resolveExternalData(
  fields: ReadonlyMap<string, string>,
  { what, path: modelPath, size }: ExternalTensor,
): InitializerContent {
  const location = fields.get('location') ?? '';
  const refuse = (reason: string): GraftError =>
    new GraftError('INVALID_MODEL', `${what} has its data in "${location}", ${reason}.`);
  const offset = Number(fields.get('offset') ?? 0);
  const length = Number(fields.get('length') ?? size);
  if (location === '' || path.isAbsolute(location) || location.includes('\0')) {
    throw refuse('which is not a file name relative to the model');
  }
  if (![offset, length].every((value) => Number.isSafeInteger(value) && value >= 0)) {
    throw refuse(`with the impossible offset ${fields.get('offset')} or length ${fields.get('length')}`);
  }
  let folder: string;
  let file: string;
  let available: number;
  try {
    folder = realpathSync(path.dirname(path.resolve(modelPath)));
    file = realpathSync(path.resolve(folder, location));
    const info = statSync(file);
    if (!info.isFile()) throw new Error('not a file');
    available = info.size;
  } catch {
    throw refuse('which is not there; put the file beside the model');
  }
  if (!file.startsWith(folder + path.sep)) throw refuse("which lies outside the model's folder");
  if (offset + length > available) {
    throw refuse(`bytes ${offset} to ${offset + length}, but that file has ${available}`);
  }
  return { kind: 'external', path: file, offset, length };
}
