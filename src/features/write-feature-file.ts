/** The file that `--features` reads: `features` [N, D] float32, `labels` [N] int64, the classes in the metadata. */
import { GraftError } from '../errors.js';
import { safetensorsHeader } from '../tensor/safetensors.js';
import { stageFile } from '../write-durably.js';
import type { FeatureTable } from './feature-table.js';

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
  const labels = BigInt64Array.from(examples.of, ({ label }) => BigInt(label));
  const header = safetensorsHeader(
    [
      { name: 'labels', dtype: 'int64', dims: [rows] },
      { name: 'features', dtype: 'float32', dims: [rows, dim] },
    ],
    { classes: JSON.stringify(examples.classes) },
  );
  const staged = await stageFile(file);
  try {
    await staged.handle.writeFile(header);
    await staged.handle.writeFile(new Uint8Array(labels.buffer));
    for await (const { features } of table.pieces()) await staged.handle.writeFile(bytesOf(features));
    await staged.commit();
  } finally {
    await staged.discard();
  }
}

export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
