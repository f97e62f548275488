import { dotRange } from './vector.js';

/** What a row may lose of its length before it counts as dependent on those above: float32 tells no more of it. */
const leastShare = 1e-6;

/**
 * An orthonormal basis of what rows span, by the modified Gram-Schmidt process; dependent rows are left out.
 * @param rows - [count, length], row-major; not changed
 */
export function orthonormalize(rows: Float64Array, length: number): Float64Array {
  const q = rows.slice();
  let kept = 0;
  for (let from = 0; from < rows.length; from += length) {
    const at = kept * length;
    q.copyWithin(at, from, from + length);
    const before = Math.sqrt(dotRange(q, at, q, at, length));
    const row = q.subarray(at, at + length);
    for (let other = 0; other < at; other += length) {
      const share = dotRange(q, at, q, other, length);
      const above = q.subarray(other, other + length);
      for (let i = 0; i < length; i++) row[i]! -= share * above[i]!;
    }
    const after = Math.sqrt(dotRange(q, at, q, at, length));
    if (!(after > leastShare * before)) continue;
    for (let i = 0; i < length; i++) q[at + i]! /= after;
    kept++;
  }
  return q.slice(0, kept * length);
}
