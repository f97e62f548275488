import type { Standardization } from '../heads/head.js';
import { addRows, addSquares, scaleRows } from '../simd/matrix-rows.js';
import { blocksOf } from './feature-blocks.js';
import { type AnyFeatureSet, type FeatureSet, isInMemory } from './feature-set.js';
import type { RowSource } from './row-source.js';

/** Heads are kept for raw features: a weight divided by less than this might be no float32 any more. */
const leastDeviation = 1e-30;

/** Mean and (population) standard deviation of each feature, in float64; a constant feature counts as deviation 1. */
export function fitStandardization({
  features,
  dim,
  rows,
}: Pick<FeatureSet, 'features' | 'dim' | 'rows'>): Standardization {
  const mean = new Float64Array(dim);
  const squares = new Float64Array(dim);
  const values = features.subarray(0, rows * dim);
  addRows(values, mean);
  divide(mean, rows);
  addSquares(values, mean, squares);
  return { mean, std: deviations(squares, mean, rows) };
}

/** `fitStandardization` of a set that need not be in memory, to the last bit. */
export async function measureStandardization(set: AnyFeatureSet): Promise<Standardization> {
  if (isInMemory(set)) return fitStandardization(set);
  const { dim, rows } = set;
  const mean = new Float64Array(dim);
  const squares = new Float64Array(dim);
  const blocks = blocksOf(set);
  for await (const { values } of blocks()) addRows(values, mean);
  divide(mean, rows);
  for await (const { values } of blocks()) addSquares(values, mean, squares);
  return { mean, std: deviations(squares, mean, rows) };
}

/** Whether all rows are the same, bit for bit. */
export async function isConstant(set: AnyFeatureSet): Promise<boolean> {
  let first: Float32Array | undefined;
  for await (const { values } of blocksOf(set)()) {
    first ??= values.slice(0, set.dim);
    for (let i = 0; i < values.length; i++) if (values[i] !== first[i % set.dim]) return false;
  }
  return set.rows > 1;
}

/** The features as (x - mean) / std: a copy, or what is read from now on. */
export function standardize<Set extends AnyFeatureSet>(set: Set, scaling: Standardization): Set {
  if (isInMemory(set)) {
    const features = new Float32Array(set.rows * set.dim);
    scaleRows(set.features.subarray(0, features.length), scaling.mean, factors(scaling), features);
    return { ...set, features };
  }
  return { ...set, features: scaledSource(set.features, scaling) };
}

function scaledSource(source: RowSource, scaling: Standardization): RowSource {
  const { dim, rows } = source;
  const { mean } = scaling;
  const factor = factors(scaling);
  return {
    dim,
    rows,
    async read(wanted, into) {
      await source.read(wanted, into);
      const read = into.subarray(0, wanted.length * dim);
      scaleRows(read, mean, factor, read);
    },
  };
}

function factors({ std }: Standardization): Float64Array {
  return std.map((deviation) => 1 / deviation);
}

function divide(sums: Float64Array, rows: number): void {
  for (let d = 0; d < sums.length; d++) sums[d]! /= rows;
}

function deviations(squares: Float64Array, mean: Float64Array, rows: number): Float64Array {
  return squares.map((sum, d) => {
    const deviation = Math.sqrt(sum / rows);
    // A constant feature leaves only the rounding of its own mean.
    return deviation > Math.max(leastDeviation, 1e-7 * Math.abs(mean[d]!)) ? deviation : 1;
  });
}
