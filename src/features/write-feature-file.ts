/**
 * The file that `--features` reads: `features` [N, D] float32, `labels` [N] int64 or `targets` [N, classes] float32, the classes in
 * the metadata, with `texts` "2" of features of pairs; `split` and `groups` [N] int64 where the data set has them.
 */
import type { Example, Split } from '../dataset/dataset.js';
import { GraftError } from '../errors.js';
import { safetensorsHeader } from '../tensor/safetensors.js';
import { writePieces } from '../write-durably.js';
import { type FeatureTable, type LabelledRows, targetsOf } from './feature-table.js';

/**
 * Written piece by piece; the rows are never in memory together.
 * @throws GraftError USAGE where the table has no labels, FILE_UNWRITABLE, INVALID_CACHE.
 */
export async function writeFeatureFile(file: string, table: FeatureTable): Promise<void> {
  const { rows, dim, examples } = table;
  if (!examples) {
    throw new GraftError(
      'USAGE',
      'A safetensors export holds labels: name the data set with --data and its backbone with --backbone.',
    );
  }
  const { kind, classes } = examples;
  const columns = columnsOf(examples);
  const header = safetensorsHeader(
    [
      ...columns.map(({ name }) => ({ name, dtype: 'int64', dims: [rows] }) as const),
      { name: 'features', dtype: 'float32', dims: [rows, dim] },
      ...(examples.targets
        ? [{ name: 'targets', dtype: 'float32', dims: [rows, classes.length] } as const]
        : []),
    ],
    { classes: JSON.stringify(classes), ...(kind === 'pairs' && { texts: '2' }) },
  );
  await writePieces(file, async (write) => {
    await write(header);
    for (const { values } of columns) await write(new Uint8Array(values.buffer));
    for await (const { features } of table.pieces()) await write(bytesOf(features));
    if (!examples.targets) return;
    const targets = new Float32Array(rows * classes.length);
    for (let row = 0; row < rows; row++) targets.set(targetsOf(examples, row)!, row * classes.length);
    await write(bytesOf(targets));
  });
}

/** By the number that the file has for each. */
const parts: readonly Split[] = ['train', 'validation', 'test'];

/** Integers of each row: its class where it has one, and its part and its group where the data set tells any. */
function columnsOf({ targets, of }: LabelledRows): { name: string; values: BigInt64Array }[] {
  const column = (name: string, read: (example: Example) => number) => ({
    name,
    values: BigInt64Array.from(of, (example) => BigInt(read(example))),
  });
  const has = (field: 'split' | 'group'): boolean =>
    of.rowsWhere((example) => example[field] !== undefined).length > 0;
  // Where some have a group, each other one is a group of its own.
  let last = of.length;
  return [
    ...(targets ? [] : [column('labels', ({ label }) => label)]),
    ...(has('split') ? [column('split', ({ split = 'train' }) => parts.indexOf(split))] : []),
    ...(has('group') ? [column('groups', ({ group }) => group ?? last++)] : []),
  ];
}

export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
