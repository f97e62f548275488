/**
 * Limited-memory BFGS with a line search for the strong Wolfe conditions.
 * Nocedal & Wright, Numerical Optimization, 2nd ed.: algorithms 7.4 (two-loop recursion), 3.5 and 3.6 (line search).
 */

export interface Evaluation {
  readonly value: number;
  /** Taken over by the optimiser: the objective must return a fresh array. */
  readonly gradient: Float64Array;
}

export type Objective = (x: Float64Array) => Promise<Evaluation>;

export interface LbfgsOptions {
  readonly maxIterations?: number;
  /** Stops where the largest gradient component is below this share of max(1, |x|∞)… of the first one. */
  readonly gradientTolerance?: number;
  /** Stops where the objective falls by less than this share of itself, twice in a row. */
  readonly valueTolerance?: number;
  /** Pairs of steps and gradient changes that are remembered. */
  readonly memory?: number;
  /** After each iteration; true stops. */
  readonly onIteration?: (iteration: number, x: Float64Array, value: number) => Promise<boolean | undefined>;
}

export interface LbfgsResult {
  readonly x: Float64Array;
  readonly value: number;
  readonly iterations: number;
  readonly evaluations: number;
  readonly converged: boolean;
}

/** Minimises `objective` from `start`, which is not changed. */
export async function lbfgs(
  objective: Objective,
  start: Float64Array,
  options: LbfgsOptions = {},
): Promise<LbfgsResult> {
  const {
    maxIterations = 1000,
    gradientTolerance = 1e-6,
    valueTolerance = 1e-9,
    memory = 10,
    onIteration,
  } = options;
  let x: Float64Array = start.slice();
  let { value, gradient } = await objective(x);
  let evaluations = 1;
  const steps: Float64Array[] = [];
  const changes: Float64Array[] = [];
  const firstSlope = largest(gradient);
  let quiet = 0;
  for (let iteration = 1; iteration <= maxIterations; iteration++) {
    if (largest(gradient) <= gradientTolerance * Math.max(1, firstSlope)) {
      return { x, value, iterations: iteration - 1, evaluations, converged: true };
    }
    const direction = descentDirection(gradient, steps, changes);
    const slope = dot(direction, gradient);
    if (!(slope < 0)) return { x, value, iterations: iteration - 1, evaluations, converged: false };
    const first = steps.length === 0 ? Math.min(1, 1 / norm(gradient)) : 1;
    const found = await lineSearch(objective, { x, value, gradient, direction, slope, first });
    evaluations += found.evaluations;
    if (found.step === 0) return { x, value, iterations: iteration - 1, evaluations, converged: true };
    const s = found.x.map((xi, i) => xi - x[i]!);
    const y = found.gradient.map((gi, i) => gi - gradient[i]!);
    if (dot(s, y) > 1e-10 * dot(y, y)) {
      steps.push(s);
      changes.push(y);
      if (steps.length > memory) {
        steps.shift();
        changes.shift();
      }
    }
    const gain = value - found.value;
    quiet = gain <= valueTolerance * Math.max(Math.abs(value), 1e-30) ? quiet + 1 : 0;
    x = found.x;
    value = found.value;
    gradient = found.gradient;
    if (await onIteration?.(iteration, x, value))
      return { x, value, iterations: iteration, evaluations, converged: false };
    if (quiet >= 2) return { x, value, iterations: iteration, evaluations, converged: true };
  }
  return { x, value, iterations: maxIterations, evaluations, converged: false };
}

/** -H g by the two-loop recursion. */
function descentDirection(
  gradient: Float64Array,
  steps: readonly Float64Array[],
  changes: readonly Float64Array[],
): Float64Array {
  const direction = gradient.map((g) => -g);
  const alphas: number[] = [];
  for (let i = steps.length - 1; i >= 0; i--) {
    const alpha = dot(steps[i]!, direction) / dot(steps[i]!, changes[i]!);
    alphas[i] = alpha;
    addScaled(direction, -alpha, changes[i]!);
  }
  const [s, y] = [steps.at(-1), changes.at(-1)];
  if (s && y) {
    const scale = dot(s, y) / dot(y, y);
    for (let i = 0; i < direction.length; i++) direction[i]! *= scale;
  }
  for (let i = 0; i < steps.length; i++) {
    const beta = dot(changes[i]!, direction) / dot(steps[i]!, changes[i]!);
    addScaled(direction, alphas[i]! - beta, steps[i]!);
  }
  return direction;
}

interface Ray {
  readonly x: Float64Array;
  readonly value: number;
  readonly gradient: Float64Array;
  readonly direction: Float64Array;
  /** Directional derivative at x; negative. */
  readonly slope: number;
  /** First step length to try. */
  readonly first: number;
}

interface Point extends Evaluation {
  readonly step: number;
  readonly slope: number;
  readonly x: Float64Array;
}

const sufficientDecrease = 1e-4;
const curvature = 0.9;

async function lineSearch(objective: Objective, ray: Ray): Promise<Point & { readonly evaluations: number }> {
  let evaluations = 0;
  const at = async (step: number): Promise<Point> => {
    evaluations++;
    const x = ray.x.map((xi, i) => xi + step * ray.direction[i]!);
    const { value, gradient } = await objective(x);
    return { step, x, value, gradient, slope: dot(gradient, ray.direction) };
  };
  const start: Point = { ...ray, step: 0 };
  // Near the optimum float32 sums are noisier than the decrease that is left; allow for the noise.
  const noise = 1e-7 * Math.abs(ray.value);
  const isTooHigh = (point: Point, low: Point): boolean =>
    !(point.value <= ray.value + sufficientDecrease * point.step * ray.slope + noise) ||
    (low.step > 0 && point.value > low.value + noise);
  const isFlat = (point: Point): boolean => Math.abs(point.slope) <= -curvature * ray.slope;
  let low = start;
  let point = await at(ray.first);
  for (let i = 0; i < 12; i++) {
    if (isTooHigh(point, low)) return { ...(await zoom(low, point)), evaluations };
    if (isFlat(point)) return { ...point, evaluations };
    if (point.slope >= 0) return { ...(await zoom(point, low)), evaluations };
    low = point;
    point = await at(point.step * 2.5);
  }
  return { ...low, evaluations };

  async function zoom(best: Point, other: Point): Promise<Point> {
    for (let i = 0; i < 20; i++) {
      const trial = await at(interpolated(best, other));
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
function interpolated(a: Point, b: Point): number {
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

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function addScaled(a: Float64Array, scale: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i]! += scale * b[i]!;
}

function norm(a: Float64Array): number {
  return Math.sqrt(dot(a, a));
}

function largest(a: Float64Array): number {
  let most = 0;
  for (const value of a) most = Math.max(most, Math.abs(value));
  return most;
}
