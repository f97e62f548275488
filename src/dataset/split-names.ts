import { GraftError } from '../errors.js';
import type { Split } from './dataset.js';

const splitNames: Readonly<Record<string, Split>> = {
  train: 'train',
  training: 'train',
  val: 'validation',
  valid: 'validation',
  validation: 'validation',
  validate: 'validation',
  dev: 'validation',
  test: 'test',
  testing: 'test',
  eval: 'test',
  evaluation: 'test',
};

/** What often stands behind the name of a part: `training_set`, `test-images`. */
const ending = /(?<=[a-z])[ _-]?(set|data|images)$/;

/**
 * The part that a folder stands for; the words are those of Hugging Face's `datasets`.
 * @example splitOfFolder('Val') // 'validation'
 * @example splitOfFolder('test_set') // 'test'
 */
export function splitOfFolder(name: string): Split | undefined {
  const key = name.toLowerCase().replace(ending, '');
  return Object.hasOwn(splitNames, key) ? splitNames[key] : undefined;
}

/** The part that the first folder of a relative path stands for. @example splitOfPath('train/cat/1.jpg') // 'train' */
export function splitOfPath(name: string): Split | undefined {
  const [first, ...rest] = name.split(/[/\\]/);
  return rest.length > 0 ? splitOfFolder(first!) : undefined;
}

/** The part that a shard stands for, by the first word of its name. @example splitOfFile('train-00000.tar') // 'train' */
export function splitOfFile(name: string): Split | undefined {
  return splitOfFolder(/^[a-z]+/i.exec(name)?.[0] ?? '');
}

/**
 * What stands in a column `split`.
 * @throws GraftError INVALID_DATASET for what is no part.
 */
export function parseSplit(text: string, row: number, file: string): Split {
  const split = splitOfFolder(text);
  if (split) return split;
  throw new GraftError(
    'INVALID_DATASET',
    `Expected train, validation or test for split in row ${row} of ${file} but it is ${JSON.stringify(text)}; ` +
      'rename the column where it means something else.',
  );
}
