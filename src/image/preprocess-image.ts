/** One image file's bytes to one row of a batch: decode, resize, crop, normalise; or to several, of random views. */
import { invalidArgument } from '../errors.js';
import type { PreprocessSpec } from '../models/preprocess-spec.js';
import { pixelShape } from '../models/pixel-shape.js';
import { type DecodeOptions, decodeImage } from './decode-image.js';
import type { DecodedImage, ImageSize } from './decoded-image.js';
import type { PixelBudget } from './pixel-budget.js';
import { planResize } from './plan-resize.js';
import { augmentLevels, cutWindow, drawWindow, type RandomView, viewRng } from './random-view.js';
import { reducedSize } from './reduced-size.js';
import { resizeInto } from './resize-image.js';
import { outputChannel, pixelWriter, toChannels, writeImage } from './write-image.js';

/**
 * Fills `into`, the C · H · W floats of one image, by `spec`; the resize agrees with Pillow's and torchvision's.
 * @throws GraftError INVALID_IMAGE where the bytes cannot be decoded, INVALID_ARGUMENT where `into` has another length.
 */
export async function preprocessImage(
  bytes: Uint8Array,
  spec: PreprocessSpec,
  into: Float32Array,
  options: Pick<DecodeOptions, 'maxPixels'> = {},
): Promise<void> {
  const output = pixelShape(spec);
  const length = output.channels * output.height * output.width;
  if (into.length !== length) {
    throw invalidArgument('into', `${length} floats (${Object.values(output).join(' x ')})`, into.length);
  }
  const size = await reducedSize(bytes, spec);
  writeImage(await decodeFor(bytes, spec, { ...options, size }), spec, into);
}

/** Fills the C · H · W floats of one image, or of one view of it. */
export type RowWriter = (into: Float32Array) => void;

export interface ViewsOptions {
  /** What the pixels are to be fitted into while they are more than the floats made of them. */
  readonly budget?: PixelBudget | undefined;
  /** The C · H · W floats in which a view, by its place among the views, waits where the image is large; default: new ones. */
  readonly rowOf?: ((place: number) => Float32Array) | undefined;
}

/**
 * The plain image (no view) and random views of it, from one decode, or of a large JPEG from two: a small
 * picture of the whole, the same as without views, and the pixels for windows. A small image waits as the bytes it was decoded to, and the
 * floats are written when they are asked for: just before the model reads them, they are in the processor's cache.
 * @param sha256 - of `bytes`
 * @returns for each view what writes it, as often as it is called
 * @throws GraftError as `preprocessImage`
 */
export async function preprocessViews(
  bytes: Uint8Array,
  sha256: Uint8Array,
  spec: PreprocessSpec,
  views: readonly (RandomView | undefined)[],
  { budget, rowOf }: ViewsOptions = {},
): Promise<RowWriter[]> {
  const writers = new Array<RowWriter>(views.length);
  const { channels, height, width } = pixelShape(spec);
  const length = channels * height * width;
  const decode = async (
    size: ImageSize | undefined,
    isMade: (view?: RandomView) => boolean,
  ): Promise<void> => {
    let taken = 0;
    const mayDecode = async (sizeBytes: number): Promise<void> => {
      await budget?.take(sizeBytes);
      taken = sizeBytes;
    };
    try {
      const image = await decodeFor(bytes, spec, { size, mayDecode });
      const isSmall = image.data.length <= length * Float32Array.BYTES_PER_ELEMENT;
      for (const [place, view] of views.entries()) {
        if (!isMade(view)) continue;
        const write: RowWriter = view
          ? (into) => writeView(image, sha256, spec, view, into)
          : (into) => writeImage(image, spec, into);
        writers[place] = isSmall ? write : writtenTo(rowOf?.(place) ?? new Float32Array(length), write);
      }
    } finally {
      budget?.give(taken);
    }
  };
  const size = await reducedSize(bytes, spec);
  if (!size) await decode(undefined, () => true);
  else {
    // A window needs all the pixels. One after the other, so that nothing waits for pixels while it holds some.
    if (!views.every(isWindow)) await decode(size, (view) => !isWindow(view));
    if (views.some(isWindow)) await decode(undefined, isWindow);
  }
  return writers;
}

function isWindow(view: RandomView | undefined): boolean {
  return view?.augment.crop !== undefined;
}

/** Writes now, and copies when asked. */
function writtenTo(row: Float32Array, write: RowWriter): RowWriter {
  write(row);
  return (into) => into.set(row);
}

async function decodeFor(
  bytes: Uint8Array,
  spec: PreprocessSpec,
  options: Pick<DecodeOptions, 'maxPixels' | 'size' | 'mayDecode'> = {},
): Promise<DecodedImage> {
  const { background, profiles } = spec;
  return toChannels(await decodeImage(bytes, { ...options, background, profiles }), spec);
}

// The work between two awaits is synchronous, so all images of a thread share this.
let levels = new Float32Array(0);

/** A crop takes the place of the spec's resize and crop, as in training; the other operations come after them. */
function writeView(
  image: DecodedImage,
  sha256: Uint8Array,
  spec: PreprocessSpec,
  view: RandomView,
  into: Float32Array,
): void {
  const rng = viewRng(view, sha256);
  const { crop } = view.augment;
  const { width, height, channels } = pixelShape(spec);
  const size = width * height;
  const seen = crop ? cutWindow(image, drawWindow(image, crop, rng)) : image;
  const plan = crop
    ? { width, height, left: 0, top: 0 }
    : planResize(spec, image, { width, height, channels });
  if (levels.length < channels * size) levels = new Float32Array(channels * size);
  const picture = { channels, width, height, levels: levels.subarray(0, channels * size) };
  resizeInto(seen, plan, spec.resize?.kernel ?? 'bilinear', {
    into: picture.levels,
    width,
    height,
    rowStride: width,
    columnStride: 1,
    channels: Array.from({ length: channels }, (_, c) => ({ offset: c * size, levels: sameLevels })),
  });
  augmentLevels(picture, view.augment, rng);
  const writer = pixelWriter(spec, into);
  for (let source = 0; source < channels; source++) {
    const c = outputChannel(spec, source, channels);
    const factor = spec.scale / spec.std[c]!;
    const shift = spec.mean[c]! / spec.std[c]!;
    const start = writer.channels[source]!.offset;
    for (let i = 0, o = start; i < size; i++, o += writer.columnStride) {
      into[o] = picture.levels[source * size + i]! * factor - shift;
    }
  }
}

const sameLevels = Float32Array.from({ length: 256 }, (_, level) => level);
