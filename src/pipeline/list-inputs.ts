/** What `graft predict` was given: images, texts, files of texts, folders of either, lines. */
import { stat } from 'node:fs/promises';
import { GraftError, unreadable } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import { listFiles } from '../sources/list-files.js';
import type { Located } from '../sources/source.js';
import type { PredictOptions } from './predict-inputs.js';

export interface NamedInput extends Located {
  /** By the user, not met in a folder. */
  readonly isNamed: boolean;
}

/**
 * For images every input is a path. For texts it is one where a file or folder of that name is there, or where it looks
 * like a path; everything else is a text. Lines are paths of images, or texts.
 * @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE; INVALID_DATASET for a folder without examples
 */
export async function listInputs(
  { inputs, readLines }: Pick<PredictOptions, 'inputs' | 'readLines'>,
  kind: 'pixels' | 'tokens',
): Promise<NamedInput[]> {
  const listed: NamedInput[] = [];
  for (const input of inputs) {
    if (input === '-' && readLines) {
      for (const line of await readLines()) {
        if (kind === 'tokens') listed.push(textInput(line));
        else listed.push(...(await fromPath(line, kind)));
      }
    } else if (kind === 'tokens' && !(await isPath(input))) listed.push(textInput(input));
    else listed.push(...(await fromPath(input, kind)));
  }
  return listed;
}

function textInput(text: string): NamedInput {
  return { path: text, source: { kind: 'text', text }, isNamed: true };
}

/** A text of one word that ends in .txt was meant to be a file: that it is missing must be said. */
async function isPath(input: string): Promise<boolean> {
  if (/^\S+\.txt$/i.test(input)) return true;
  return stat(input).then(
    () => true,
    () => false,
  );
}

async function fromPath(input: string, kind: 'pixels' | 'tokens'): Promise<NamedInput[]> {
  const info = await stat(input).catch((error: unknown) => {
    throw unreadable(input, error);
  });
  if (!info.isDirectory()) return [{ path: input, isNamed: true }];
  const found: NamedInput[] = [];
  for await (const file of listFiles(input)) {
    const isWanted = kind === 'pixels' ? isImagePath(file) : /\.txt$/i.test(file);
    if (isWanted) found.push({ path: file, isNamed: false });
  }
  if (found.length > 0) return found;
  const what = kind === 'pixels' ? 'image' : '.txt file';
  throw new GraftError('INVALID_DATASET', `There is no ${what} in the folder ${input}.`);
}
