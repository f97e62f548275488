import type { Dataset } from '../dataset/dataset.js';
import { GraftError } from '../errors.js';
import type { InputSpec } from '../models/input-spec.js';

/**
 * @param data - as the user named it
 * @throws GraftError INVALID_DATASET where the data are images and the model takes texts, or the other way round.
 */
export function assertSameKind({ kind }: Dataset, input: InputSpec, data: string): void {
  const taken = input.kind === 'tokens' ? 'texts' : 'images';
  if (kind === taken) return;
  const remedy =
    taken === 'texts'
      ? 'name the column of the texts with --text-column (a folder holds .txt files), or take a model for images'
      : 'name the column of the images with --image-column, or take a model for texts';
  throw new GraftError('INVALID_DATASET', `${data} holds ${kind}, but the model takes ${taken}: ${remedy}.`);
}
