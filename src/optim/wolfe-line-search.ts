/** A step length that satisfies the strong Wolfe conditions: Nocedal & Wright, 2nd ed., algorithms 3.5 and 3.6. */
import type { Evaluation, Objective } from './lbfgs.js';
import type { VectorSpace } from './vector-space.js';

export interface Ray {
  readonly x: Float64Array;
  readonly value: number;
  readonly gradient: Float64Array;
  readonly direction: Float64Array;
  /** Directional derivative at x; negative. */
  readonly slope: number;
  /** First step length to try. */
  readonly first: number;
  /** What two values must differ by to count as different. */
  readonly noise: number;
}

export interface RayPoint extends Evaluation {
  readonly step: number;
  readonly slope: number;
  /** One of those that were lent; overwritten once neither this point nor a better one is the best. */
  readonly gradient: Float64Array;
}

/** What the search works in, of the space that the ray's vectors are of. */
export interface RayMemory {
  readonly space: VectorSpace;
  /** Takes the points that are tried, and ends as the one that is found. */
  readonly x: Float64Array;
  /** Take their gradients. */
  readonly gradients: readonly [Float64Array, Float64Array];
}

const sufficientDecrease = 1e-4;
const curvature = 0.9;

/** The point found; its step is 0 where no lower one was met. */
export async function searchLine(
  objective: Objective,
  ray: Ray,
  { space, x, gradients }: RayMemory,
): Promise<RayPoint & { readonly evaluations: number }> {
  let evaluations = 0;
  let reached = 0;
  const go = (step: number): void => {
    space.addScaled(ray.x, step, ray.direction, x);
    reached = step;
  };
  /** @param best - whose gradient is to last */
  const at = async (step: number, best: RayPoint): Promise<RayPoint> => {
    evaluations++;
    go(step);
    const gradient = gradients[0] === best.gradient ? gradients[1] : gradients[0];
    const { value, size } = await objective(x, gradient);
    return { value, size, step, gradient, slope: space.dot(gradient, ray.direction) };
  };
  const end = (found: RayPoint): RayPoint & { readonly evaluations: number } => {
    if (found.step !== reached) go(found.step);
    return { ...found, evaluations };
  };
  const start: RayPoint = { value: ray.value, slope: ray.slope, gradient: ray.gradient, step: 0 };
  const { noise } = ray;
  const isTooHigh = (point: RayPoint, low: RayPoint): boolean =>
    !(point.value <= ray.value + sufficientDecrease * point.step * ray.slope + noise) ||
    (low.step > 0 && point.value > low.value + noise);
  const isFlat = (point: RayPoint): boolean => Math.abs(point.slope) <= -curvature * ray.slope;
  let low = start;
  let point = await at(ray.first, low);
  for (let i = 0; i < 12; i++) {
    if (isTooHigh(point, low)) return end(await zoom(low, point));
    if (isFlat(point)) return end(point);
    if (point.slope >= 0) return end(await zoom(point, low));
    low = point;
    point = await at(point.step * 2.5, low);
  }
  return end(low);

  async function zoom(best: RayPoint, other: RayPoint): Promise<RayPoint> {
    for (let i = 0; i < 20; i++) {
      const trial = await at(interpolate(best, other), best);
      if (isTooHigh(trial, best)) other = trial;
      else {
        if (isFlat(trial)) return trial;
        if (trial.slope * (other.step - best.step) >= 0) other = best;
        best = trial;
      }
      if (Math.abs(other.step - best.step) <= 1e-9 * Math.max(1, best.step)) break;
    }
    return best;
  }
}

/** Minimiser of the cubic through both points, kept off the ends of the interval (N&W eq. 3.59). */
function interpolate(a: RayPoint, b: RayPoint): number {
  const [low, high] = a.step < b.step ? [a.step, b.step] : [b.step, a.step];
  const middle = (low + high) / 2;
  const d1 = a.slope + b.slope - (3 * (a.value - b.value)) / (a.step - b.step);
  const root = d1 * d1 - a.slope * b.slope;
  if (!(root >= 0)) return middle;
  const d2 = Math.sign(b.step - a.step) * Math.sqrt(root);
  const step = b.step - ((b.step - a.step) * (b.slope + d2 - d1)) / (b.slope - a.slope + 2 * d2);
  const margin = 0.1 * (high - low);
  return Number.isFinite(step) ? Math.min(high - margin, Math.max(low + margin, step)) : middle;
}
