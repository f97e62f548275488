/** Finds the preprocessing spec of a backbone. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { GraftError, messageOf } from '../errors.js';
import { readFileContent } from '../sources/read-file.js';
import { type Logger, silentLogger } from '../logger.js';
import { unmetWishes } from './foreign-preprocess.js';
import { isHuggingFace, parsePreprocess } from './parse-preprocess.js';
import { Fields } from './preprocess-fields.js';
import type { PreprocessSpec } from './preprocess-spec.js';

export { parsePreprocess } from './parse-preprocess.js';

export interface PreprocessSources {
  /** A file the user named: a spec, or an object with the spec as its field `preprocess`. */
  readonly preprocess?: string;
  readonly modelPath: string;
  readonly metadata: ReadonlyMap<string, string>;
  /** Told what a file asks for that is not done. */
  readonly logger?: Logger;
}

/** No description of preprocessing is longer. */
const longestFile = 2 ** 20;

/**
 * The named file, else `<model>.preprocess.json`, `preprocessor_config.json` or timm's `config.json` beside the model (or
 * above its folder `onnx/`), else the model's metadata; undefined where there is none of them.
 * @throws GraftError INVALID_PREPROCESS naming file and field.
 */
export async function findPreprocess(sources: PreprocessSources): Promise<PreprocessSpec | undefined> {
  const { modelPath, metadata, logger = silentLogger } = sources;
  const fromFile = async (file: string): Promise<PreprocessSpec> => {
    const json = await readJson(file);
    const spec = parsePreprocess(json, file);
    const wishes = isHuggingFace(json) ? unmetWishes(new Fields(json, file)) : [];
    if (wishes.length > 0) {
      logger.warn(
        `${file} asks for ${wishes.join(', ')}, which is not done: images are taken as ${JSON.stringify({ resize: spec.resize, crop: spec.crop })}. ` +
          'Where the model wants something else, say it in a spec with --preprocess.',
      );
    }
    return spec;
  };
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
    return parsePreprocess(parseJson(embedded, where), where);
  }
  return undefined;
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
