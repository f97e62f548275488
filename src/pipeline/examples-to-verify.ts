/** What an exported file is compared on: examples that the run kept for it, or made-up ones where it knows none. */
import { GraftError } from '../errors.js';
import { decodeImage, type DecodedImage } from '../image/decode-image.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { imageRows } from '../inputs/image-rows.js';
import { openEncoder } from '../inputs/open-encoder.js';
import { pixelExamples } from '../inputs/pixel-examples.js';
import { pixelsName } from '../export/pixel-front.js';
import { exampleDims, type InputSpec, type PixelSpec } from '../models/input-spec.js';
import { createRng } from '../rng.js';
import { sizeOf } from '../tensor/shape.js';
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

/** @throws GraftError VERIFICATION_FAILED where none of the run's examples is there any more */
export async function examplesToVerify(run: RunFolder, input: InputSpec): Promise<ExamplesToVerify> {
  if (isFeatureRun(run.config)) return { prepared: await madeUpExamples(input) };
  return { prepared: await openEncoder(input).encode(await keptExamples(run.config, run.folder)) };
}

/** For a file that takes 8-bit pixels. @throws GraftError as `examplesToVerify` */
export async function pixelsToVerify(
  { config, folder }: RunFolder,
  input: PixelSpec,
): Promise<ExamplesToVerify> {
  if (isFeatureRun(config)) return pixelExamples(input, noise(), pixelsName);
  const images: DecodedImage[] = [];
  let bytes = 0;
  for (const content of await keptExamples(config, folder)) {
    const { background, profiles } = input.preprocess;
    const image = await decodeImage(content, { background, profiles });
    bytes += image.width * image.height * 3;
    if (images.length > 0 && bytes > mostPixelBytes) break;
    images.push(image);
  }
  return pixelExamples(input, images, pixelsName);
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

/** Images of noise, or texts of numbers. */
async function madeUpExamples(input: InputSpec): Promise<EncodedExamples> {
  if (input.kind === 'pixels') {
    const [, ...dims] = exampleDims(input).get(input.name)!;
    const pixels = madeUp(dims).data as Float32Array;
    const size = sizeOf(dims);
    return imageRows(input, madeUpCount, (start, end) => pixels.subarray(start * size, end * size));
  }
  const texts = Array.from({ length: madeUpCount }, (_, i) => 'one two three '.repeat(i + 1));
  return openEncoder(input).encode(texts.map((text) => Buffer.from(text)));
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
