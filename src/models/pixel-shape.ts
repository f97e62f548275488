import { GraftError } from '../errors.js';
import type { PixelShape, PreprocessSpec } from './preprocess-spec.js';

/** What one preprocessed image measures. */
export function pixelShape({ crop, resize, channelOrder }: PreprocessSpec): PixelShape {
  const size = crop ?? resize;
  if (!size) {
    throw new GraftError(
      'INVALID_PREPROCESS',
      'Expected a preprocessing spec with a resize or a crop but it has neither.',
    );
  }
  return { height: size.height, width: size.width, channels: channelOrder === 'gray' ? 1 : 3 };
}
