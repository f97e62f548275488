/** Sums over float64 vectors. Four running sums: one alone waits for the latency of every addition. */

/** Σ a[from + i] · b[at + i] for i below `length`. */
export function dotRange(a: Float64Array, from: number, b: Float64Array, at: number, length: number): number {
  const whole = length - (length % 4);
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let i = 0; i < whole; i += 4) {
    s0 += a[from + i]! * b[at + i]!;
    s1 += a[from + i + 1]! * b[at + i + 1]!;
    s2 += a[from + i + 2]! * b[at + i + 2]!;
    s3 += a[from + i + 3]! * b[at + i + 3]!;
  }
  for (let i = whole; i < length; i++) s0 += a[from + i]! * b[at + i]!;
  return s0 + s1 + (s2 + s3);
}

/** a · b, element by element. */
export function product(a: Float64Array, b: Float64Array): Float64Array {
  const result = new Float64Array(a.length);
  for (let i = 0; i < result.length; i++) result[i] = a[i]! * b[i]!;
  return result;
}

export function largestMagnitude(a: Float32Array | Float64Array): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]!));
  return most;
}
