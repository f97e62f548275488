/** What is exported: rows of a store with what the data set says of each. */
import type { Dataset } from '../dataset/dataset.js';
import type { ExampleList } from '../dataset/example-list.js';
import type { FeaturePiece } from './iterate-features.js';

export interface FeatureTable {
  readonly rows: number;
  readonly dim: number;
  /** sha256 of each example's bytes, uint8 [rows, 32]. */
  readonly keys: Uint8Array;
  /** In order, all rows once; each call starts anew. */
  pieces(): AsyncIterable<FeaturePiece>;
  /** Absent where a store is exported without its data set. */
  readonly examples?: LabelledRows | undefined;
}

/** Examples, and what their labels mean: see `Dataset`. */
export interface LabelledRows extends Pick<Dataset, 'kind' | 'classes' | 'task' | 'targets'> {
  readonly of: ExampleList;
}

/** What an example is to be predicted as, [classes]; undefined where that is one class. */
export function targetsOf({ classes, targets, of }: LabelledRows, row: number): Float32Array | undefined {
  const { label } = of.at(row);
  return targets?.subarray(label * classes.length, (label + 1) * classes.length);
}

/** The same in a cell, as `graft train` reads it: names of classes or numbers with | between, [] for no class. */
export function labelText(rows: LabelledRows, row: number): string {
  const { classes, task, of } = rows;
  const targets = targetsOf(rows, row);
  if (!targets) return classes[of.at(row).label]!;
  if (task === 'regression') return Array.from(targets, shortestText).join('|');
  return classes.filter((_, c) => targets[c] === 1).join('|') || '[]';
}

/** The fewest digits that give the same float32 again. */
function shortestText(value: number): string {
  const digits = [6, 7, 8, 9].find((count) => Math.fround(Number(value.toPrecision(count))) === value);
  return String(Number(value.toPrecision(digits)));
}

export function keyText(keys: Uint8Array, row: number): string {
  return Buffer.from(keys.subarray(row * 32, row * 32 + 32)).toString('hex');
}
