/** One image file's bytes to one row of a batch: decode, resize, crop, normalise. */
import { invalidArgument } from '../errors.js';
import type { PreprocessSpec } from '../models/preprocess-spec.js';
import { pixelShape } from '../models/read-preprocess.js';
import { type DecodedImage, type DecodeOptions, decodeImage } from './decode-image.js';
import { planResize } from './plan-resize.js';
import { type PixelWriter, resizeInto } from './resize-image.js';

/**
 * Fills `into`, the C · H · W floats of one image, by `spec`; the resize agrees with Pillow's and torchvision's.
 * @throws GraftError INVALID_IMAGE where the bytes cannot be decoded, INVALID_ARGUMENT where `into` has another length.
 */
export async function preprocessImage(
  bytes: Uint8Array,
  spec: PreprocessSpec,
  into: Float32Array,
  { maxPixels }: Pick<DecodeOptions, 'maxPixels'> = {},
): Promise<void> {
  const output = pixelShape(spec);
  const length = output.channels * output.height * output.width;
  if (into.length !== length) {
    throw invalidArgument('into', `${length} floats (${Object.values(output).join(' x ')})`, into.length);
  }
  const { background, profiles } = spec;
  const decoded = await decodeImage(bytes, { maxPixels, background, profiles });
  const image = spec.channelOrder === 'gray' ? toGray(decoded) : toColour(decoded);
  const plan = planResize(spec, image, output);
  resizeInto(image, plan, spec.resize?.kernel ?? 'nearest', pixelWriter(spec, into));
}

const writers = new WeakMap<PreprocessSpec, Omit<PixelWriter, 'into'>>();

/** Strides and level tables of a spec, computed once. */
function pixelWriter(spec: PreprocessSpec, into: Float32Array): PixelWriter {
  let writer = writers.get(spec);
  if (!writer) {
    const { width, height, channels } = pixelShape(spec);
    const planar = spec.layout === 'nchw';
    writer = {
      width,
      height,
      rowStride: planar ? width : width * channels,
      columnStride: planar ? 1 : channels,
      channels: Array.from({ length: channels }, (_, source) => {
        const c = spec.channelOrder === 'bgr' ? channels - 1 - source : source;
        const levels = Float32Array.from(
          { length: 256 },
          (_, level) => (level * spec.scale - spec.mean[c]!) / spec.std[c]!,
        );
        return { offset: planar ? c * width * height : c, levels };
      }),
    };
    writers.set(spec, writer);
  }
  return { ...writer, into };
}

/** ITU-R 601 luma in the fixed point of Pillow's convert('L'), in place. */
function toGray({ width, height, channels, data }: DecodedImage): DecodedImage {
  if (channels === 3) {
    for (let i = 0, p = 0; i < width * height; i++, p += 3) {
      data[i] = (data[p]! * 19595 + data[p + 1]! * 38470 + data[p + 2]! * 7471 + 0x8000) >> 16;
    }
  }
  return { width, height, channels: 1, data };
}

function toColour(image: DecodedImage): DecodedImage {
  if (image.channels === 3) return image;
  const data = new Uint8Array(image.width * image.height * 3);
  for (let i = 0; i < data.length; i++) data[i] = image.data[(i / 3) | 0]!;
  return { ...image, channels: 3, data };
}
