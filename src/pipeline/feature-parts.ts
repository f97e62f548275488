/** The training and the validation part of a file of features: read when they are needed, or at once. */
import { pickRows } from '../train/row-source.js';
import { selectTargets } from '../tasks/targets.js';
import type { AnyFeatureSet, FeatureSet, StreamedSet } from '../train/feature-set.js';
import type { FeatureFile } from './feature-file.js';

export interface FeatureParts<Set extends AnyFeatureSet = FeatureSet> {
  readonly train: Set;
  readonly validation: Set | undefined;
}

/** Bytes a read: what is checked and spread over the parts at a time. */
const blockBytes = 16 * 2 ** 20;

/** Both parts, their features read when they are needed. */
export function openFeatureParts(file: FeatureFile): FeatureParts<StreamedSet> {
  const { dim } = file;
  const select = (chosen: Int32Array): StreamedSet => ({
    ...selectTargets(file.targets, chosen),
    features: pickRows({ dim, rows: file.rows, read: (rows, into) => file.readRows(rows, into) }, chosen),
    dim,
  });
  return {
    train: select(file.train),
    validation: file.validation.length > 0 ? select(file.validation) : undefined,
  };
}

/** Both parts in memory, read once from the start of the file to its end. */
export async function loadFeatureParts(file: FeatureFile): Promise<FeatureParts> {
  const { dim, rows } = file;
  const select = (chosen: Int32Array): FeatureSet => ({
    ...selectTargets(file.targets, chosen),
    features: new Float32Array(chosen.length * dim),
    dim,
  });
  const parts = [file.train, file.validation].map((chosen) => ({ chosen, set: select(chosen), next: 0 }));
  const blockRows = Math.max(1, Math.floor(blockBytes / (4 * dim)));
  const block = new Float32Array(Math.min(rows, blockRows) * dim);
  for (let from = 0; from < rows; from += blockRows) {
    const count = Math.min(blockRows, rows - from);
    const values = block.subarray(0, count * dim);
    await file.read(from, values);
    for (const part of parts) {
      for (; part.next < part.chosen.length && part.chosen[part.next]! < from + count; part.next++) {
        const at = (part.chosen[part.next]! - from) * dim;
        part.set.features.set(values.subarray(at, at + dim), part.next * dim);
      }
    }
  }
  const [train, validation] = parts;
  return { train: train!.set, validation: validation!.chosen.length > 0 ? validation!.set : undefined };
}
