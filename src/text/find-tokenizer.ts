/** Finds the tokenizer of a text model, and how long its texts may be. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { GraftError } from '../errors.js';
import type { TokenizerFiles } from '../models/input-spec.js';
import { readFileContent } from '../sources/read-file.js';

export interface TokenizerSources {
  /** A file the user named. */
  readonly tokenizer?: string | undefined;
  readonly modelPath: string;
  readonly metadata: ReadonlyMap<string, string>;
}

export interface FoundTokenizer {
  readonly files: TokenizerFiles;
  /** For messages. */
  readonly where: string;
}

/** The largest in use have some 30 MB. */
const longestFile = 128 * 2 ** 20;

/**
 * The named file, else `<model>.tokenizer.json` or `tokenizer.json` beside the model (or above its folder `onnx/`), else
 * the model's metadata; `tokenizer_config.json` is read where it lies beside.
 * @throws GraftError INVALID_TOKENIZER where there is none, or none that can be read
 */
export async function findTokenizer({
  tokenizer,
  modelPath,
  metadata,
}: TokenizerSources): Promise<FoundTokenizer> {
  if (tokenizer !== undefined) return fromFile(tokenizer);
  const stem = modelPath.replace(/\.onnx$/i, '');
  const places = [`${stem}.tokenizer.json`, ...besideModel(modelPath, 'tokenizer.json')];
  const file = places.find((place) => existsSync(place));
  if (file !== undefined) return fromFile(file);
  const json = metadata.get('graft.tokenizer');
  if (json !== undefined) {
    return {
      files: { json, config: metadata.get('graft.tokenizer_config') },
      where: `the metadata of ${modelPath}`,
    };
  }
  throw new GraftError(
    'INVALID_TOKENIZER',
    `${modelPath} takes token ids, but no tokenizer was found: expected ${places.join(' or ')}. ` +
      "Put the model's tokenizer.json there or name it with --tokenizer.",
  );
}

/** Most tokens by the `config.json` of transformers beside the model; undefined where there is none. */
export async function longestByConfig(modelPath: string): Promise<number | undefined> {
  const file = besideModel(modelPath, 'config.json').find((place) => existsSync(place));
  if (file === undefined) return undefined;
  try {
    const config = JSON.parse(await readText(file)) as Readonly<Record<string, unknown>>;
    const positions = config.max_position_embeddings ?? config.n_positions;
    if (typeof positions !== 'number' || !(positions > 0)) return undefined;
    // RoBERTa and its kin count positions from behind the padding id.
    const isShifted = /roberta|camembert|mpnet|longformer/i.test(String(config.model_type));
    return isShifted ? positions - 2 : positions;
  } catch {
    // Other tools write a config.json too.
    return undefined;
  }
}

/** Where files that belong to a model lie: beside it, or above its folder `onnx/`. */
export function besideModel(modelPath: string, name: string): string[] {
  const folder = path.dirname(path.resolve(modelPath));
  const folders = path.basename(folder) === 'onnx' ? [folder, path.dirname(folder)] : [folder];
  return folders.map((place) => path.join(place, name));
}

async function fromFile(file: string): Promise<FoundTokenizer> {
  const configFile = path.join(path.dirname(file), 'tokenizer_config.json');
  const config = existsSync(configFile) ? await readText(configFile) : undefined;
  return { files: { json: await readText(file), config }, where: file };
}

async function readText(file: string): Promise<string> {
  const { bytes } = await readFileContent(file, {
    mayRead: async (sizeBytes) => {
      if (sizeBytes <= longestFile) return;
      throw new GraftError('INVALID_TOKENIZER', `${file} has ${sizeBytes} bytes, more than any tokenizer.`);
    },
  });
  return new TextDecoder().decode(bytes);
}
