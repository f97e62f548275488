/** What an image input most likely wants, where nobody says it: a guess from its shape and element type. */
import { GraftError } from '../errors.js';
import type { InputScale } from '../graph/input-scale.js';
import type { DType } from '../tensor/dtype.js';
import { formatShape } from '../tensor/shape.js';
import type { PreprocessSpec } from './preprocess-spec.js';

const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/**
 * ImageNet's normalisation for floats in [N, 3, H, W] or [N, H, W, 3]; for bytes, and where the model divides by about 255 or
 * subtracts levels, the pixels as they are; numbers from 0 to 1 where it normalises those itself, and where there is one channel.
 * @param shape - real sizes, batch first
 * @param scale - what the model does to its input first
 * @returns the spec and how to say it, as a sentence
 * @throws GraftError UNSUPPORTED_MODEL where the shape is no image's
 */
export function guessPreprocess({
  name,
  shape,
  dtype,
  scale,
}: {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly scale?: InputScale | undefined;
}): { readonly spec: PreprocessSpec; readonly explanation: string } {
  const isImage = (channels: number | undefined): boolean => channels === 1 || channels === 3;
  const layout = isImage(shape[1]) ? 'nchw' : isImage(shape[3]) ? 'nhwc' : undefined;
  if (shape.length !== 4 || layout === undefined) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Input "${name}" of shape ${formatShape(shape)} does not look like an image of 1 or 3 channels; ` +
        'features can be cached of images only (train on your own embeddings with --features).',
    );
  }
  const [height, width] = layout === 'nchw' ? shape.slice(2) : shape.slice(1, 3);
  const isGray = (layout === 'nchw' ? shape[1] : shape[3]) === 1;
  const isBytes = dtype === 'uint8' || dtype === 'int8' || dtype === 'int32';
  const enlarged = (side: number): number => Math.round((side * 256) / 224);
  const range = isBytes ? 'levels' : (wantedRange(scale) ?? (isGray ? 'unit' : 'normalised'));
  const channels = isGray ? 1 : 3;
  const plain = { mean: new Array<number>(channels).fill(0), std: new Array<number>(channels).fill(1) };
  const numbers =
    range === 'levels'
      ? 'pixels from 0 to 255'
      : range === 'unit'
        ? 'from 0 to 1'
        : "ImageNet's mean and deviation";
  return {
    spec: {
      // Of a picture of another shape a crop would keep too little.
      resize:
        width === height
          ? { width: enlarged(width!), height: enlarged(height!), fit: 'shortest-edge', kernel: 'bilinear' }
          : { width: width!, height: height!, fit: 'fill', kernel: 'bilinear' },
      crop: width === height ? { width: width!, height: height! } : null,
      channelOrder: isGray ? 'gray' : 'rgb',
      scale: range === 'levels' ? 1 : 1 / 255,
      ...(range === 'normalised' ? imageNet : plain),
      layout,
    },
    explanation:
      `Preprocessing is a guess: ${width}x${height}, ${isGray ? 'gray' : 'RGB'}, ` +
      `${numbers}${isBytes || wantedRange(scale) === undefined ? '' : ', as the model scales them itself'}, ${layout}; ` +
      'name a spec with --preprocess if the model wants another.',
  };
}

/** The numbers that a model wants which scales them itself: slopes of 1/255 or 1/58 are for levels, those of 1/0.226 for shares. */
function wantedRange(scale: InputScale | undefined): 'levels' | 'unit' | undefined {
  if (!scale || scale.slope <= 0) return undefined;
  const { slope, offset } = scale;
  const mean = -offset / slope;
  if (slope <= 1 / 16 || mean >= 16) return 'levels';
  return slope >= 16 || (slope >= 1 && mean > 0 && mean < 1) ? 'unit' : undefined;
}
