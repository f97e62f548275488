/** A preprocessing spec as Hugging Face's `preprocessor_config.json`: what `fromHuggingFace` reads, written. */
import { GraftError } from '../errors.js';
import type { PreprocessSpec, ResizeKernel } from './preprocess-spec.js';

/** Pillow's numbers, which the libraries take. */
const numberOfKernel: Readonly<Record<ResizeKernel, number>> = {
  nearest: 0,
  lanczos3: 1,
  bilinear: 2,
  bicubic: 3,
};

/**
 * Fields of CLIP's image processor: of those that transformers.js and transformers both have it is the one that takes a
 * shortest edge as well as two sides, crops, and makes colours of grey images.
 *
 * `cover` of a square is written as the shortest edge and a crop, where the other side is rounded down instead of to the
 * nearest number, and even margins of a crop as lower ones. What lies under transparent pixels, and profiles, cannot be said: the libraries take the colours stored there.
 * @param spec - of channels in the order `rgb` and the layout `nchw`
 * @throws GraftError INVALID_PREPROCESS naming what such a file cannot say
 */
export function toImageProcessor(spec: PreprocessSpec): Readonly<Record<string, unknown>> {
  const { resize, crop, channelOrder, scale, mean, std, layout } = spec;
  if (channelOrder !== 'rgb' || layout !== 'nchw')
    throw unsayable(`channelOrder ${channelOrder} and layout ${layout}`);
  if (scale < 0) throw unsayable(`a scale of ${scale}`);
  const isWhole = resize?.fit === 'fill' || !resize;
  if (resize?.fit === 'contain') throw unsayable('the fit contain, which pads');
  if (resize?.fit === 'cover' && resize.width !== resize.height)
    throw unsayable(`the fit cover of ${resize.width} x ${resize.height} pixels, which is no square`);
  const edge = resize && Math.min(resize.width, resize.height);
  const window = crop ?? (isWhole ? null : { width: resize.width, height: resize.height });
  return {
    image_processor_type: 'CLIPImageProcessor',
    do_convert_rgb: true,
    do_resize: resize !== null,
    ...(resize && {
      size: isWhole ? { height: resize.height, width: resize.width } : { shortest_edge: edge },
      resample: numberOfKernel[resize.kernel],
    }),
    do_center_crop: window !== null,
    ...(window && { crop_size: { height: window.height, width: window.width } }),
    do_rescale: true,
    rescale_factor: scale,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  };
}

/** For a file that prepares pixels itself: an image's levels as they are, as float32. */
export const plainImageProcessor: Readonly<Record<string, unknown>> = {
  image_processor_type: 'CLIPImageProcessor',
  do_convert_rgb: true,
  do_resize: false,
  do_center_crop: false,
  do_rescale: true,
  rescale_factor: 1,
  do_normalize: false,
};

function unsayable(what: string): GraftError {
  return new GraftError(
    'INVALID_PREPROCESS',
    `A preprocessor_config.json cannot say ${what}: let the file prepare pixels itself with --pixels, or export a single file, without --format huggingface.`,
  );
}
