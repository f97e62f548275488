/**
 * Decoded pixels to the floats that a backbone takes: resize, crop, normalise. Nothing of Node is imported here, so that
 * a browser that has decoded an image by itself ends with the same floats.
 */
import { pixelShape } from '../models/pixel-shape.js';
import type { PreprocessSpec } from '../models/preprocess-spec.js';
import type { DecodedImage } from './decoded-image.js';
import { planResize } from './plan-resize.js';
import { type PixelWriter, resizeInto } from './resize-image.js';

/** Fills `into`, the C · H · W floats of one image, by `spec`; the resize agrees with Pillow's and torchvision's. */
export function writeImage(image: DecodedImage, spec: PreprocessSpec, into: Float32Array): void {
  const plan = planResize(spec, image, pixelShape(spec));
  resizeInto(image, plan, spec.resize?.kernel ?? 'nearest', pixelWriter(spec, into));
}

/** The channel of the output that channel `source` of the image becomes. */
export function outputChannel({ channelOrder }: PreprocessSpec, source: number, channels: number): number {
  return channelOrder === 'bgr' ? channels - 1 - source : source;
}

const writers = new WeakMap<PreprocessSpec, Omit<PixelWriter, 'into'>>();

/** Strides and level tables of a spec, computed once. */
export function pixelWriter(spec: PreprocessSpec, into: Float32Array): PixelWriter {
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
        const c = outputChannel(spec, source, channels);
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

/** Grey or colour, as the spec wants it; the image's own pixels may be overwritten. */
export function toChannels(image: DecodedImage, { channelOrder }: PreprocessSpec): DecodedImage {
  return channelOrder === 'gray' ? toGray(image) : toColour(image);
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
