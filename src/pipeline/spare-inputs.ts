/** What a command reads must not be what it writes: a backbone or a data set of the user's would be lost. */
import { readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { GraftError } from '../errors.js';
import { externalContents } from '../onnx/external-contents.js';
import type { Model } from '../onnx/ir.js';
import { largestMessage } from '../onnx/wire-format.js';
import { encodedLength, sideFileName } from '../onnx/write-model.js';
import { runFiles } from './run-folder.js';

/**
 * @param file - to be written
 * @param inputs - paths that are read; names of the catalogue and of a hub do as well, and are no file
 * @throws GraftError USAGE where the file is one of them.
 */
export async function spareInputs(file: string, inputs: readonly (string | undefined)[]): Promise<void> {
  const place = await placeOf(file);
  for (const input of inputs) {
    if (input === undefined || (await placeOf(input)) !== place) continue;
    throw new GraftError(
      'USAGE',
      `The output would overwrite ${input}, which is read; choose another path for it.`,
    );
  }
}

/**
 * That the side file, which a model too large for one file gets, is none that its own weights are read from.
 * @param model - as it is to be written, its weights where they lie now
 * @throws GraftError USAGE
 */
export async function spareWeights(
  file: string,
  model: Model,
  { most = largestMessage }: { readonly most?: number } = {},
): Promise<void> {
  if (encodedLength(model) <= most) return;
  const read = new Set([...externalContents(model)].map((content) => content.path));
  await spareInputs(path.join(path.dirname(file), sideFileName(file)), [...read]);
}

export interface RunInputs {
  readonly backbone?: string | undefined;
  readonly features?: string | undefined;
  readonly preprocess?: string | undefined;
  readonly tokenizer?: string | undefined;
  readonly data?: string | undefined;
}

/** A run writes or removes them, and a folder with a model of the user's may hold them. */
const commonNames = [runFiles.config, runFiles.tokenizer, runFiles.tokenizerConfig, runFiles.model];

/**
 * That a run may be written into the folder: no file that it reads is replaced, the folder does not lie in a data set,
 * where its folders would be classes, and what it holds of such names is an earlier run's.
 * @throws GraftError USAGE
 */
export async function spareFolder(folder: string, inputs: RunInputs): Promise<void> {
  const { backbone, features, preprocess, tokenizer, data } = inputs;
  for (const name of Object.values(runFiles)) {
    await spareInputs(path.join(folder, name), [backbone, features, preprocess, tokenizer]);
  }
  if (data !== undefined && (await isFolder(data))) {
    const [within, place] = [await placeOf(data), await placeOf(folder)];
    if (place === within || place.startsWith(within.endsWith(path.sep) ? within : within + path.sep)) {
      throw new GraftError(
        'USAGE',
        `--out ${folder} lies in the data set ${data}, where its folders would count as classes; choose another one.`,
      );
    }
  }
  for (const name of commonNames) {
    if (!(await isFile(path.join(folder, name))) || (await isRun(folder))) continue;
    throw new GraftError(
      'USAGE',
      `--out ${folder} is no run folder but holds a ${name}, which would be overwritten; choose another one.`,
    );
  }
}

/** Whether a run wrote the folder's configuration, or has begun in it. */
async function isRun(folder: string): Promise<boolean> {
  if (await isFile(path.join(folder, 'checkpoint', 'run.json'))) return true;
  try {
    const config = JSON.parse(await readFile(path.join(folder, runFiles.config), 'utf8')) as unknown;
    return typeof config === 'object' && config !== null && 'training' in config && 'classes' in config;
  } catch {
    return false;
  }
}

/** The absolute path without links, also of what is not there yet. */
async function placeOf(file: string): Promise<string> {
  const absolute = path.resolve(file);
  const parent = path.dirname(absolute);
  return realpath(absolute).catch(async () =>
    parent === absolute ? absolute : path.join(await placeOf(parent), path.basename(absolute)),
  );
}

const isFile = (file: string): Promise<boolean> =>
  stat(file).then(
    (info) => info.isFile(),
    () => false,
  );
const isFolder = (file: string): Promise<boolean> =>
  stat(file).then(
    (info) => info.isDirectory(),
    () => false,
  );
