/**
 * Temperature scaling (Guo et al. 2017): probabilities = softmax(logits / T), with the T that makes the labels of held-out
 * examples most likely. One number for all classes, so no prediction changes.
 *
 *   L(β) = Σ log Σ_c exp(β z_c) - β z_label,  β = 1/T      L' = Σ E[z] - z_label      L'' = Σ Var[z]
 *
 * L is convex in β: Newton's method, kept inside a bracket by bisection, finds its one minimum.
 */

export interface TemperatureFit {
  readonly temperature: number;
  /** Where every label is told right, the labels are the more likely the lower T is: nothing can be fitted, and T is 1. */
  readonly isFitted: boolean;
  /** Mean cross-entropy at T = 1 and at the temperature found. */
  readonly lossBefore: number;
  readonly lossAfter: number;
}

/** Where labels are mostly told wrong the optimum lies at the end of the axis; go no further than this. */
const bounds = { low: 1e-3, high: 1e3 } as const;

/** @param logits - [rows, classCount] */
export function fitTemperature(
  logits: Float32Array,
  labels: ArrayLike<number>,
  classCount: number,
): TemperatureFit {
  let low: number = bounds.low;
  let high: number = bounds.high;
  let beta = 1;
  const isFitted = !isAllRight(logits, labels, classCount);
  for (let i = 0; isFitted && i < 200; i++) {
    const { slope, curvature } = evaluateAt(beta, logits, labels, classCount);
    if (slope === 0) break;
    if (slope > 0) high = beta;
    else low = beta;
    const newton = beta - slope / curvature;
    const next = newton > low && newton < high ? newton : Math.sqrt(low * high);
    const isDone = Math.abs(next - beta) <= 1e-12 * beta;
    beta = next;
    if (isDone) break;
  }
  const rows = Math.max(1, labels.length);
  const lossBefore = evaluateAt(1, logits, labels, classCount).loss / rows;
  const lossAfter = evaluateAt(beta, logits, labels, classCount).loss / rows;
  return { temperature: 1 / beta, isFitted, lossBefore, lossAfter };
}

function isAllRight(logits: Float32Array, labels: ArrayLike<number>, classCount: number): boolean {
  return Array.from(labels).every((label, row) => {
    const own = logits.subarray(row * classCount, (row + 1) * classCount);
    return own.every((logit) => logit <= own[label]!);
  });
}

function evaluateAt(
  beta: number,
  logits: Float32Array,
  labels: ArrayLike<number>,
  classCount: number,
): { loss: number; slope: number; curvature: number } {
  let loss = 0;
  let slope = 0;
  let curvature = 0;
  for (let row = 0; row < labels.length; row++) {
    const at = row * classCount;
    let largest = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classCount; c++) largest = Math.max(largest, logits[at + c]!);
    let total = 0;
    let first = 0;
    let second = 0;
    for (let c = 0; c < classCount; c++) {
      const z = logits[at + c]! - largest;
      const weight = Math.exp(beta * z);
      total += weight;
      first += weight * z;
      second += weight * z * z;
    }
    const z = logits[at + labels[row]!]! - largest;
    const mean = first / total;
    loss += Math.log(total) - beta * z;
    slope += mean - z;
    curvature += second / total - mean * mean;
  }
  return { loss, slope, curvature };
}
