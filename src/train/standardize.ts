import type { Standardization } from '../heads/head.js';
import { blocksOf } from './feature-blocks.js';
import { type AnyFeatureSet, type FeatureSet, isInMemory } from './feature-set.js';
import type { RowSource } from './row-source.js';

/** Mean and (population) standard deviation of each feature, in float64; a constant feature counts as deviation 1. */
export function fitStandardization({
  features,
  dim,
  rows,
}: Pick<FeatureSet, 'features' | 'dim' | 'rows'>): Standardization {
  const mean = new Float64Array(dim);
  const squares = new Float64Array(dim);
  addRows(mean, features);
  divide(mean, rows);
  addSquares(squares, features, mean);
  return { mean, std: deviations(squares, mean, rows) };
}

/** `fitStandardization` of a set that need not be in memory, to the last bit. */
export async function measureStandardization(set: AnyFeatureSet): Promise<Standardization> {
  if (isInMemory(set)) return fitStandardization(set);
  const { dim, rows } = set;
  const mean = new Float64Array(dim);
  const squares = new Float64Array(dim);
  const blocks = blocksOf(set);
  for await (const { values } of blocks()) addRows(mean, values);
  divide(mean, rows);
  for await (const { values } of blocks()) addSquares(squares, values, mean);
  return { mean, std: deviations(squares, mean, rows) };
}

/** The features as (x - mean) / std: a copy, or what is read from now on. */
export function standardize<Set extends AnyFeatureSet>(set: Set, scaling: Standardization): Set {
  if (isInMemory(set)) {
    const features = new Float32Array(set.rows * set.dim);
    scaleRows(set.features, scaling, features);
    return { ...set, features };
  }
  return { ...set, features: scaledSource(set.features, scaling) };
}

function scaledSource(source: RowSource, scaling: Standardization): RowSource {
  const { dim, rows } = source;
  return {
    dim,
    rows,
    async read(wanted, into) {
      await source.read(wanted, into);
      scaleRows(into, scaling, into, wanted.length * dim);
    },
  };
}

function scaleRows(
  values: Float32Array,
  { mean, std }: Standardization,
  into: Float32Array,
  length = into.length,
): void {
  const dim = mean.length;
  const factor = std.map((deviation) => 1 / deviation);
  for (let at = 0; at < length; at += dim) {
    for (let d = 0; d < dim; d++) into[at + d] = (values[at + d]! - mean[d]!) * factor[d]!;
  }
}

/** Four rows at a time, which reads and writes the sums a quarter as often; blocks are multiples of four rows. */
function addRows(sums: Float64Array, values: Float32Array): void {
  const dim = sums.length;
  let at = 0;
  for (; at + 4 * dim <= values.length; at += 4 * dim) {
    for (let d = 0, i = at; d < dim; d++, i++) {
      sums[d]! += values[i]! + values[i + dim]! + (values[i + 2 * dim]! + values[i + 3 * dim]!);
    }
  }
  for (; at < values.length; at += dim) for (let d = 0; d < dim; d++) sums[d]! += values[at + d]!;
}

function divide(sums: Float64Array, rows: number): void {
  for (let d = 0; d < sums.length; d++) sums[d]! /= rows;
}

function addSquares(squares: Float64Array, values: Float32Array, mean: Float64Array): void {
  const dim = mean.length;
  let at = 0;
  for (; at + 4 * dim <= values.length; at += 4 * dim) {
    for (let d = 0, i = at; d < dim; d++, i++) {
      const m = mean[d]!;
      const e0 = values[i]! - m;
      const e1 = values[i + dim]! - m;
      const e2 = values[i + 2 * dim]! - m;
      const e3 = values[i + 3 * dim]! - m;
      squares[d]! += e0 * e0 + e1 * e1 + (e2 * e2 + e3 * e3);
    }
  }
  for (; at < values.length; at += dim) {
    for (let d = 0; d < dim; d++) squares[d]! += (values[at + d]! - mean[d]!) ** 2;
  }
}

function deviations(squares: Float64Array, mean: Float64Array, rows: number): Float64Array {
  return squares.map((sum, d) => {
    const deviation = Math.sqrt(sum / rows);
    // A constant feature leaves only the rounding of its own mean.
    return deviation > 1e-7 * Math.max(1e-12, Math.abs(mean[d]!)) ? deviation : 1;
  });
}
