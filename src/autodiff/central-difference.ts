/**
 * The slope of a function along one number by central differences in float64:
 *
 *   dL/dp ≈ (L(p + h) − L(p − h)) / 2h
 *
 * Where the slopes to both sides differ, a kink (of Relu, MaxPool, Clip, …) lies between them, and h is made smaller. A
 * point on a kink has no one slope.
 */
export interface DifferenceOptions {
  /** The function at the point that `data` holds now. */
  readonly evaluate: () => Promise<number>;
  /** Its value at the point itself. */
  readonly here: number;
  /** Sum of the magnitudes that were added up for it: what its rounding is a share of. */
  readonly magnitude: number;
  /** How far the slopes to both sides may be apart. */
  readonly tolerance: number;
}

/** Of float64, with room for the rounding of what is summed inside the function. */
const rounding = 1e-14;
const [largestStep, smallestStep] = [1e-5, 1e-8];

/** @returns undefined on a kink; @param data - holds the point, and holds it again in the end */
export async function centralDifference(
  data: Float64Array,
  i: number,
  { evaluate, here, magnitude, tolerance }: DifferenceOptions,
): Promise<number | undefined> {
  const before = data[i]!;
  const at = async (value: number): Promise<number> => {
    data[i] = value;
    return evaluate();
  };
  try {
    for (let step = largestStep; step >= smallestStep; step /= 10) {
      const h = step * Math.max(1, Math.abs(before));
      const [above, below] = [await at(before + h), await at(before - h)];
      const gap = Math.abs(above - here - (here - below)) / h;
      if (!(gap > Math.max(tolerance, (rounding * magnitude) / h))) return (above - below) / (2 * h);
    }
    return undefined;
  } finally {
    data[i] = before;
  }
}
