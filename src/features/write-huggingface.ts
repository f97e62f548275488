/**
 * The folder that `datasets.load_dataset(FOLDER)` loads: a Parquet file a split under data/, and a card that names them.
 * The column `embedding` is what `Dataset.add_faiss_index(column='embedding')` takes.
 */
import path from 'node:path';
import { makeFolder, writeDurably } from '../write-durably.js';
import type { FeatureTable } from './feature-table.js';
import { writeParquet } from './write-parquet.js';

export interface HuggingFaceSplit {
  readonly name: string;
  readonly table: FeatureTable;
}

/** @returns the files. @throws GraftError FILE_UNWRITABLE, INVALID_CACHE. */
export async function writeHuggingFace(
  folder: string,
  splits: readonly HuggingFaceSplit[],
  title: string,
): Promise<string[]> {
  await makeFolder(path.join(folder, 'data'));
  const files: string[] = [];
  for (const { name, table } of splits) {
    const file = path.join(folder, 'data', `${name}-00000-of-00001.parquet`);
    await writeParquet(file, table);
    files.push(file);
  }
  const card = path.join(folder, 'README.md');
  await writeDurably(card, datasetCard(splits, title));
  return [...files, card];
}

/** The library reads the part between the lines of dashes. */
function datasetCard(splits: readonly HuggingFaceSplit[], title: string): string {
  const files = splits.map(({ name }) => `  - split: ${name}\n    path: data/${name}-*.parquet`);
  const sizes = splits.map(({ name, table }) => `- ${name}: ${table.rows} rows of ${table.dim} numbers`);
  return [
    '---',
    'configs:',
    '- config_name: default',
    '  data_files:',
    ...files,
    '---',
    '',
    `# ${title}`,
    '',
    ...sizes,
    '',
  ].join('\n');
}
