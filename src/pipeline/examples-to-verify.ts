/** What an exported file is compared on: examples that the run kept for it, or made-up ones where it knows none. */
import { GraftError } from '../errors.js';
import { decodeImage, type DecodedImage } from '../image/decode-image.js';
import { pixelWriter } from '../image/write-image.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { imageRows } from '../inputs/image-rows.js';
import { openEncoder } from '../inputs/open-encoder.js';
import { asPlanes, pixelExamples } from '../inputs/pixel-examples.js';
import { pixelValues } from '../export/hub-inputs.js';
import { pixelsName } from '../export/pixel-front.js';
import type { InputSpec, PixelSpec } from '../models/input-spec.js';
import { pixelShape } from '../models/pixel-shape.js';
import { createRng } from '../rng.js';
import { sizeOf } from '../tensor/shape.js';
import { bytesOfText } from '../sources/text-pair.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { readExamples } from './read-examples.js';
import { isFeatureRun, type RunConfig, type RunFolder } from './run-folder.js';

export interface ExamplesToVerify {
  /** What the backbone takes. */
  readonly prepared: EncodedExamples;
  /** What the file takes, where that is something else. */
  readonly raw?: EncodedExamples;
}

/** Rows or images that are made up. */
const madeUpCount = 16;
/** Decoded images are held all at once; those beyond it are left out. */
const mostPixelBytes = 2 ** 28;

/**
 * @param input - of the backbone
 * @param taken - of the file
 * @throws GraftError VERIFICATION_FAILED where none of the run's examples is there any more
 */
export async function examplesToVerify(
  { config, folder }: RunFolder,
  input: InputSpec,
  taken: InputSpec = input,
): Promise<ExamplesToVerify> {
  const kept = isFeatureRun(config) ? undefined : await keptExamples(config, folder);
  const encode = (spec: InputSpec): Promise<EncodedExamples> =>
    kept ? openEncoder(spec).encode(kept) : madeUpExamples(spec);
  const prepared = await encode(input);
  return JSON.stringify(taken) === JSON.stringify(input)
    ? { prepared }
    : { prepared, raw: await encode(taken) };
}

/**
 * For a file that prepares pixels itself.
 * @param taken - the name of its input, which is of 8 bits, or `pixel_values`, which is of planes of float32
 * @throws GraftError as `examplesToVerify`
 */
export async function pixelsToVerify(
  run: RunFolder,
  input: PixelSpec,
  taken: string,
): Promise<ExamplesToVerify> {
  const images = await imagesToVerify(run, input);
  const { prepared, raw } = pixelExamples(input, images, pixelsName);
  return { prepared, raw: taken === pixelValues ? asPlanes(raw, taken) : raw };
}

async function imagesToVerify({ config, folder }: RunFolder, input: PixelSpec): Promise<DecodedImage[]> {
  if (isFeatureRun(config)) return noise();
  const images: DecodedImage[] = [];
  let bytes = 0;
  for (const content of await keptExamples(config, folder)) {
    const { background, profiles } = input.preprocess;
    const image = await decodeImage(content, { background, profiles });
    bytes += image.width * image.height * 3;
    if (images.length > 0 && bytes > mostPixelBytes) break;
    images.push(image);
  }
  return images;
}

async function keptExamples({ verifyImages, data }: RunConfig, folder: string): Promise<Uint8Array[]> {
  const examples = await readExamples(verifyImages);
  if (examples.length > 0) return examples;
  throw new GraftError(
    'VERIFICATION_FAILED',
    `None of the ${verifyImages.length} examples that ${folder} was trained with is there any more, so nothing can be verified; ` +
      `put the data set back at ${data}.`,
  );
}

/** Images of noise, the same whatever order and place of the channels the input takes, or texts of numbers. */
async function madeUpExamples(input: InputSpec): Promise<EncodedExamples> {
  if (input.kind === 'pixels') {
    const { channels, height, width } = pixelShape(input.preprocess);
    const plane = height * width;
    const size = channels * plane;
    const noise = madeUp([channels, plane]).data as Float32Array;
    const pixels = new Float32Array(noise.length);
    const { columnStride, channels: places } = pixelWriter(input.preprocess, pixels);
    for (let start = 0; start < noise.length; start += size)
      for (const [c, { offset }] of places.entries())
        for (let i = 0; i < plane; i++)
          pixels[start + offset + i * columnStride] = noise[start + c * plane + i]!;
    return imageRows(input, madeUpCount, (start, end) => pixels.subarray(start * size, end * size));
  }
  const texts = Array.from({ length: madeUpCount }, (_, i) => 'one two three '.repeat(i + 1));
  const bytes = texts.map((text) => bytesOfText(input.takesPairs ? [text, 'one'] : text));
  return openEncoder(input).encode(bytes);
}

/** Of sizes that differ from each other and from what the backbone takes. */
function noise(): DecodedImage[] {
  const rng = createRng(1);
  return Array.from({ length: madeUpCount }, (_, i) => {
    const [width, height] = [40 + 23 * i, 300 - 11 * i];
    const data = Uint8Array.from({ length: width * height * 3 }, () => rng.integer(256));
    return { width, height, channels: 3 as const, data };
  });
}

/** Seeded draws from the standard normal distribution: [count, ...dims]. */
export function madeUp(dims: readonly number[]): Tensor {
  const rng = createRng(1);
  const shape = [madeUpCount, ...dims];
  return float32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => rng.normal()),
  );
}
