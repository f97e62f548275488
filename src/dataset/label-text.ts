import { GraftError } from '../errors.js';

/**
 * A label that is stored as bytes, without white space at its ends.
 * @param place - for the message. @example 'row 3 of train.parquet'
 * @throws GraftError INVALID_DATASET where it is not UTF-8: of other encodings two names may become the same.
 */
export function labelText(bytes: Uint8Array, place: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim();
  } catch (error) {
    throw new GraftError('INVALID_DATASET', `The label in ${place} is not UTF-8 text; write it as UTF-8.`, {
      cause: error,
    });
  }
}
