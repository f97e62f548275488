import { stat } from 'node:fs/promises';
import { GraftError, unreadable } from '../errors.js';
import { type Logger, silentLogger } from '../logger.js';
import type { Dataset } from './dataset.js';
import { readFolder } from './read-folder.js';
import { readTable } from './read-table.js';

export interface DataOptions {
  /** Columns of a table, by name, or by number from 0 where there is no header. */
  readonly imageColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
  readonly header?: boolean | undefined;
}

/**
 * A data set from a folder with one folder a class, or from a CSV, TSV or JSONL table of image paths and labels.
 * @throws GraftError INVALID_DATASET, FILE_NOT_FOUND
 */
export async function readDataset(
  path: string,
  options: DataOptions = {},
  logger: Logger = silentLogger,
): Promise<Dataset> {
  const info = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  const dataset = info.isDirectory()
    ? await readFolder(path, logger)
    : await readTable(path, options, logger);
  if (dataset.classes.length < 2) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected two classes or more in ${path} but found ${dataset.classes.length === 1 ? `a single class, ${dataset.classes[0]}` : 'none'}; ` +
        'put the images of each class into a folder of its own.',
    );
  }
  return dataset;
}
