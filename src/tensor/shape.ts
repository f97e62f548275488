/** Arithmetic on shapes. */

/** The number of elements of a shape; 1 for a scalar. */
export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** [2,3,4] as text. */
export function formatShape(dims: readonly (number | string | null)[]): string {
  return `[${dims.map((dim) => dim ?? '?').join(',')}]`;
}

/** The shape of an elementwise result under NumPy's broadcasting; undefined where the shapes do not go together. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const result: number[] = [];
  for (let i = 0; i < rank; i++) {
    const left = a[a.length - rank + i] ?? 1;
    const right = b[b.length - rank + i] ?? 1;
    if (left !== right && left !== 1 && right !== 1) return undefined;
    result.push(left === 1 ? right : left);
  }
  return result;
}

/** The axis counted from the front: −1 of rank 4 is 3. */
export function positiveAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
