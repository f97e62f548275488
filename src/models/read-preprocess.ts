/** Finds the preprocessing spec of a backbone. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { GraftError, messageOf } from '../errors.js';
import { readFileContent } from '../sources/read-file.js';
import { parsePreprocess } from './parse-preprocess.js';
import type { PixelShape, PreprocessSpec } from './preprocess-spec.js';

export { parsePreprocess } from './parse-preprocess.js';

export interface PreprocessSources {
  /** A file the user named: a spec, or an object with the spec as its field `preprocess`. */
  readonly preprocess?: string;
  readonly modelPath: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly inputShape: readonly (number | string | null)[];
}

/** No description of preprocessing is longer. */
const longestFile = 2 ** 20;

/**
 * The named file, else `<model>.preprocess.json`, `preprocessor_config.json` or timm's `config.json` beside the model (or
 * above its folder `onnx/`), else the model's metadata, else a guess. `source` says which, as a part of a sentence.
 * @throws GraftError INVALID_PREPROCESS naming file and field.
 */
export async function readPreprocess(
  sources: PreprocessSources,
): Promise<{ spec: PreprocessSpec; source: string }> {
  const { modelPath, metadata, inputShape } = sources;
  if (sources.preprocess !== undefined) return fromFile(sources.preprocess);
  const sidecar = `${modelPath.replace(/\.onnx$/i, '')}.preprocess.json`;
  if (existsSync(sidecar)) return fromFile(sidecar);
  const folder = path.dirname(path.resolve(modelPath));
  const folders = path.basename(folder) === 'onnx' ? [folder, path.dirname(folder)] : [folder];
  for (const file of folders.map((place) => path.join(place, 'preprocessor_config.json'))) {
    if (existsSync(file)) return fromFile(file);
  }
  for (const file of folders.map((place) => path.join(place, 'config.json'))) {
    // Other tools write a config.json too; only timm's tells of pixels.
    if (existsSync(file) && hasPretrainedCfg(await readJson(file))) return fromFile(file);
  }
  const embedded = metadata.get('graft.preprocess');
  if (embedded !== undefined) {
    const where = `the metadata of ${modelPath}`;
    return { spec: parsePreprocess(parseJson(embedded, where), where), source: `from ${where}` };
  }
  return guess(inputShape);
}

async function fromFile(file: string): Promise<{ spec: PreprocessSpec; source: string }> {
  return { spec: parsePreprocess(await readJson(file), file), source: `from ${file}` };
}

async function readJson(file: string): Promise<unknown> {
  const { bytes } = await readFileContent(file);
  if (bytes.length > longestFile) {
    throw new GraftError(
      'INVALID_PREPROCESS',
      `Expected a description of preprocessing in ${file} but it has ${bytes.length} bytes.`,
    );
  }
  return parseJson(new TextDecoder().decode(bytes), file);
}

function hasPretrainedCfg(json: unknown): boolean {
  return typeof json === 'object' && json !== null && Object.hasOwn(json, 'pretrained_cfg');
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GraftError('INVALID_PREPROCESS', `${where} is not JSON: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

const largestGuess = 4096;

/** ImageNet's usual evaluation, at the size and with the channels that the input's shape tells. */
function guess(shape: readonly (number | string | null)[]): { spec: PreprocessSpec; source: string } {
  const isNhwc = shape.length === 4 && (shape[3] === 3 || shape[3] === 1) && shape[1] !== 3;
  const isGray = shape.length === 4 && shape[isNhwc ? 3 : 1] === 1;
  const [height, width] = (isNhwc ? shape.slice(1, 3) : shape.slice(2, 4)).map((dim) =>
    typeof dim === 'number' && dim > 1 && dim <= largestGuess ? dim : 224,
  ) as [number, number];
  const enlarged = (side: number): number => Math.round((side * 256) / 224);
  const kernel = 'bilinear';
  const isSquare = width === height;
  return {
    spec: {
      resize: isSquare
        ? { width: enlarged(width), height: enlarged(height), fit: 'shortest-edge', kernel }
        : { width, height, fit: 'fill', kernel },
      crop: isSquare ? { width, height } : null,
      channelOrder: isGray ? 'gray' : 'rgb',
      scale: 1 / 255,
      mean: isGray ? [0.5] : [0.485, 0.456, 0.406],
      std: isGray ? [0.5] : [0.229, 0.224, 0.225],
      layout: isNhwc ? 'nhwc' : 'nchw',
    },
    source:
      `is a guess (ImageNet's: ${width}x${height}, ${isGray ? 'gray' : 'RGB'}); ` +
      'name a spec with --preprocess if the model wants another',
  };
}

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
