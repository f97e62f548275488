import type { Dataset, ExampleKind } from '../dataset/dataset.js';
import { GraftError } from '../errors.js';
import type { InputSpec } from '../models/input-spec.js';

/**
 * @param data - as the user named it
 * @throws GraftError INVALID_DATASET where the data are images and the model takes texts, single texts and it takes pairs, and so on.
 */
export function assertSameKind({ kind }: Dataset, input: InputSpec, data: string): void {
  const taken = kindTaken(input);
  if (kind === taken) return;
  const other = kind === 'images' ? 'images' : kind === 'texts' ? 'single texts' : 'pairs of texts';
  const remedy = {
    images: `name the column of the images with --image-column, or take a model for ${other}`,
    texts: `name the column of the texts with --text-column (a folder holds .txt files), or take a model for ${other}`,
    pairs: `name the two columns of the texts with --text-column a,b, or take a model for ${other}`,
  }[taken];
  throw new GraftError('INVALID_DATASET', `${data} holds ${kind}, but the model takes ${taken}: ${remedy}.`);
}

/** What an example of the model is. */
export function kindTaken(input: InputSpec): ExampleKind {
  if (input.kind === 'pixels') return 'images';
  return input.takesPairs ? 'pairs' : 'texts';
}
