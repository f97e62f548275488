import { createHash } from 'node:crypto';
import { externalContents } from './external-contents.js';
import { readExternal } from './external-data.js';
import type { Model } from './ir.js';

/**
 * sha256 of what a model is: of its file, and of the weights that lie in side files, as other weights may be put there
 * without a byte of the file itself changing.
 * @param bytes - the file that `model` was read from
 * @returns in hexadecimal
 * @throws GraftError FILE_UNREADABLE where a side file fails
 */
export function modelDigest(bytes: Uint8Array, model: Model): string {
  const hash = createHash('sha256').update(bytes);
  for (const content of externalContents(model)) {
    for (const piece of readExternal(content)) hash.update(piece);
  }
  return hash.digest('hex');
}
