/**
 * `features.npy`, which NumPy opens with `np.load(file, mmap_mode='r')`, and `examples.csv`, a line for each row.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import path from 'node:path';
import { csvCell } from '../csv-cell.js';
import { makeFolder, writeDurably, writePieces } from '../write-durably.js';
import { type FeatureTable, keyText, labelText, type LabelledRows } from './feature-table.js';
import { bytesOf } from './write-feature-file.js';

/** @returns the files. @throws GraftError FILE_UNWRITABLE, INVALID_CACHE. */
export async function writeNpy(folder: string, table: FeatureTable): Promise<string[]> {
  await makeFolder(folder);
  const file = path.join(folder, 'features.npy');
  await writePieces(file, async (write) => {
    await write(npyHeader([table.rows, table.dim]));
    for await (const { features } of table.pieces()) await write(bytesOf(features));
  });
  const list = path.join(folder, 'examples.csv');
  await writeDurably(list, examplesCsv(table));
  return [file, list];
}

/** Version 1.0: magic, length, and a Python literal padded so that the data starts at a multiple of 64. */
function npyHeader(dims: readonly number[]): Uint8Array {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.join(', ')}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const bytes = Buffer.alloc(10 + length, ' ');
  bytes.write('\x93NUMPY\x01\x00', 0, 'latin1');
  bytes.writeUInt16LE(length, 8);
  bytes.write(text, 10, 'latin1');
  bytes[9 + length] = 0x0a;
  return bytes;
}

function examplesCsv({ rows, keys, examples }: FeatureTable): string {
  const lines = [examples ? 'row,path,label,split,sha256' : 'row,sha256'];
  for (let row = 0; row < rows; row++) {
    const cells = examples ? cellsOf(examples, row).map(csvCell) : [];
    lines.push([row, ...cells, keyText(keys, row)].join(','));
  }
  return `${lines.join('\n')}\n`;
}

function cellsOf(examples: LabelledRows, row: number): string[] {
  const { path: file, split = '' } = examples.of.at(row);
  return [file, labelText(examples, row), split];
}
