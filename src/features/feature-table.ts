/** What is exported: rows of a store with what the data set says of each. */
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

export interface LabelledRows {
  readonly classes: readonly string[];
  readonly of: ExampleList;
}

export function keyText(keys: Uint8Array, row: number): string {
  return Buffer.from(keys.subarray(row * 32, row * 32 + 32)).toString('hex');
}
