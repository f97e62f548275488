import { stat } from 'node:fs/promises';
import { GraftError, unreadable } from '../errors.js';
import { type Logger, silentLogger } from '../logger.js';
import type { Dataset } from './dataset.js';
import { interpretLabels, type LabelOptions } from './interpret-labels.js';
import { readFolder } from './read-folder.js';
import { readTable } from './read-table.js';

export interface DataOptions extends LabelOptions {
  /** Columns of a table, by name, or by number from 0 where there is no header. */
  readonly imageColumn?: string | undefined;
  /** Several, with commas between, are numbers to be predicted, or labels that a 1 stands for. */
  readonly labelColumn?: string | undefined;
  /** Column that tells what belongs together and must not lie in two parts. */
  readonly groupColumn?: string | undefined;
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
  const written = info.isDirectory()
    ? await readFolder(path, logger)
    : await readTable(path, options, logger);
  const dataset = interpretLabels(written, options, logger);
  if (options.groupColumn !== undefined && dataset.examples[0]?.group === undefined) {
    throw new GraftError(
      'USAGE',
      `--group-column is for tables (CSV, TSV, JSONL), but ${path} is none; list its images in one.`,
    );
  }
  const needed = dataset.task === 'single' || dataset.task === 'ordered' ? 2 : 1;
  if (dataset.classes.length < needed) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected two classes or more in ${path} but found ${dataset.classes.length === 1 ? `a single class, ${dataset.classes[0]}` : 'none'}; ` +
        'put the images of each class into a folder of its own.',
    );
  }
  return dataset;
}
