/** Classes as clouds around seeded centres, in memory and as a file for `--features`. */
import { writeFileSync } from 'node:fs';
import { createRng } from '../../src/rng.js';
import { encodeSafetensors } from '../../src/tensor/safetensors.js';
import { float32, type Tensor } from '../../src/tensor/tensor.js';
import type { FeatureSet } from '../../src/train/feature-set.js';

export interface MadeUp {
  readonly rows?: number;
  readonly dim?: number;
  readonly classCount?: number;
  readonly seed?: number;
  /** Deviation of the clouds; the centres lie about 1 apart in each direction. */
  readonly spread?: number;
}

export function madeUpFeatures({
  rows = 300,
  dim = 12,
  classCount = 4,
  seed = 1,
  spread = 1.5,
}: MadeUp = {}): FeatureSet {
  const centres = createRng(77);
  const at = Float64Array.from({ length: classCount * dim }, () => centres.normal());
  const rng = createRng(seed);
  const labels = Int32Array.from({ length: rows }, (_, i) => (i < classCount ? i : rng.integer(classCount)));
  const features = Float32Array.from(
    { length: rows * dim },
    (_, i) => at[labels[Math.floor(i / dim)]! * dim + (i % dim)]! + spread * rng.normal(),
  );
  return { features, dim, rows, labels, classes: Array.from({ length: classCount }, (_, c) => `class ${c}`) };
}

/** Writes the set as `--features` takes it; `extra` adds or replaces tensors. */
export function writeFeatureFile(
  file: string,
  { features, dim, rows, labels, classes }: FeatureSet,
  extra: Readonly<Record<string, Tensor>> = {},
  metadata: Readonly<Record<string, string>> = { classes: JSON.stringify(classes) },
): void {
  const tensors = new Map<string, Tensor>(
    Object.entries({
      features: float32([rows, dim], features),
      labels: int64(labels),
      ...extra,
    }),
  );
  writeFileSync(file, encodeSafetensors(tensors, metadata));
}

export function int64(values: ArrayLike<number>): Tensor {
  return { dtype: 'int64', dims: [values.length], data: BigInt64Array.from(Array.from(values, BigInt)) };
}
