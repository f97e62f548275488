/**
 * The slope of a function along one number by central differences in float64:
 *
 *   dL/dp ≈ (L(p + h) − L(p − h)) / 2h
 *
 * Where the slopes to both sides differ, a kink (of Relu, MaxPool, Clip, …) lies between them, and h is made smaller. A
 * point on a kink has no one slope, nor has one at the edge of where the function is defined.
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
  { evaluate, ...point }: DifferenceOptions,
): Promise<number | undefined> {
  const before = data[i]!;
  const at = async (t: number): Promise<number> => {
    data[i] = before + t;
    return evaluate();
  };
  try {
    return await slopeAlong(at, { ...point, scale: Math.max(1, Math.abs(before)) });
  } finally {
    data[i] = before;
  }
}

/**
 * The same along any line.
 * @param at - the function at a distance from the point
 * @param scale - what the steps are shares of
 */
export async function slopeAlong(
  at: (t: number) => Promise<number>,
  { here, magnitude, tolerance, scale }: Omit<DifferenceOptions, 'evaluate'> & { readonly scale: number },
): Promise<number | undefined> {
  for (let step = largestStep; step >= smallestStep; step /= 10) {
    const h = step * scale;
    const [above, below] = [await at(h), await at(-h)];
    // Beyond where the function is defined: another exponent of a negative number, of a square.
    if (Number.isNaN(above) || Number.isNaN(below)) continue;
    const gap = Math.abs(above - here - (here - below)) / h;
    if (!(gap > Math.max(tolerance, (rounding * magnitude) / h))) return (above - below) / (2 * h);
  }
  return undefined;
}
