/** How far the outputs of an exported file are from those of backbone and head, and whether that is as it should be. */
import type { Outputs } from './reference-outputs.js';

/** Largest |merged − reference| that float32 may leave, in units of max(1, |reference|). */
export const float32Tolerance = 1e-4;
/**
 * Where rounding puts backbone and head by themselves further from the CPU than the tolerance, up to here, the file may be off by
 * some times as much: it rounds once more, in another order.
 */
const mostRounding = 1e-2;
const roundingFactor = 4;

export interface Compared {
  /** From backbone and head on the CPU; where `fromCpu` is there, from both on this provider. */
  readonly maxAbsDiff: number;
  /** Present where the backbone alone gives other numbers here than on the CPU, as one of 8-bit integers may. */
  readonly fromCpu?: number;
  /** Present where rounding explains what is above the tolerance: how far both here are from both on the CPU. */
  readonly rounding?: number;
  /** Of a file that is meant to differ, and where `rounding` is large: the mean over the examples that ran alone. */
  readonly meanAbsDiff?: number;
  /** Of the same: share of the examples whose answer is what it was. Absent for numbers. */
  readonly agreement?: number;
  readonly isRight: boolean;
}

/**
 * @param found - by the file, one or more times
 * @param byCpu - by backbone and head on the CPU
 * @param byOwn - the same on the provider that the file ran on, where that is another
 */
export function compareOutputs(
  found: readonly Outputs[],
  byCpu: Outputs,
  byOwn?: Outputs,
  tolerance = float32Tolerance,
): Compared {
  const from = (expected: Outputs) => Math.max(...found.map((outputs) => difference(outputs, expected)));
  const fromCpu = from(byCpu);
  // Written so that NaN is never right.
  if (fromCpu <= tolerance || !byOwn) return { maxAbsDiff: fromCpu, isRight: fromCpu <= tolerance };
  const maxAbsDiff = from(byOwn);
  if (maxAbsDiff <= tolerance) return { maxAbsDiff, fromCpu, isRight: true };
  const rounding = difference(byOwn, byCpu);
  if (!(maxAbsDiff <= roundingFactor * rounding)) return { maxAbsDiff: fromCpu, isRight: false };
  return { maxAbsDiff, fromCpu, rounding, isRight: rounding <= mostRounding };
}

/** Largest difference over all outputs, in units of max(1, |value|); NaN where their sizes differ or there is a NaN. */
function difference(actual: Outputs, expected: Outputs): number {
  let worst = 0;
  for (const [name, values] of expected) {
    const found = actual.get(name)!;
    if (found.length !== values.length) return Number.NaN;
    for (const [i, value] of values.entries()) {
      worst = Math.max(worst, Math.abs(found[i]! - value) / Math.max(1, Math.abs(value)));
    }
  }
  return worst;
}
