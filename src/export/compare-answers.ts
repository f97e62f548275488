/**
 * How far a file that computes in fewer bits, or makes its pixels itself, is from backbone and head in float32. Rounding is meant to be
 * seen there, so what counts is the mean, and whether the answers stay what they were.
 */
import { taskOf } from '../tasks/task-of.js';
import type { TaskKind } from '../tasks/task.js';
import type { Compared } from './compare-outputs.js';
import type { Outputs } from './reference-outputs.js';

/** What such a file may differ by. */
export interface Leeway {
  readonly task: TaskKind;
  /** Most mean |merged − reference| of probabilities or values, in units of max(1, |reference|). */
  readonly meanAbsDiff: number;
  /** Least share of answers that must stay: classes, or sets of labels. */
  readonly agreement?: number | undefined;
  /** What to do where it differs by more, as a sentence. */
  readonly remedy: string;
}

/** Share of answers that every file is to keep: of many classes nearly all probabilities are near 0 in any case, so that a mean alone says little. */
export const answersToKeep = 0.8;

/**
 * @param found - by the file, one or more times
 * @param byCpu - by backbone and head on the CPU, [examples, classes] each
 * @param examples - how many they are
 */
export function compareAnswers(
  found: readonly Outputs[],
  byCpu: Outputs,
  examples: number,
  { task, meanAbsDiff: most, agreement: least = 0 }: Omit<Leeway, 'remedy'>,
): Compared {
  const name = taskOf(task).outputNames.outputs;
  const expected = byCpu.get(name)!;
  const width = expected.length / examples;
  const all = found.map((outputs) => outputs.get(name)!);
  const maxAbsDiff = Math.max(...all.map((values) => differences(values, expected).max));
  const { mean } = differences(all[0]!, expected);
  // Written so that NaN is never right.
  const compared = { maxAbsDiff, meanAbsDiff: mean, isRight: mean <= most };
  if (task === 'regression') return compared;
  const answersOf = task === 'multi' ? labelsIn : largestIn;
  let same = 0;
  for (let row = 0; row < examples; row++) {
    const [own, other] = [all[0]!, expected].map((values) =>
      answersOf(values, row * width, (row + 1) * width),
    );
    if (own === other) same++;
  }
  // To the nearest whole number, so that of four examples one may change.
  const isKept = same >= Math.round(least * examples);
  return { ...compared, isRight: compared.isRight && isKept, agreement: same / examples };
}

/** What rounding may change where it is so large that its size says nothing of the file. */
const roundingLeeway = { meanAbsDiff: 0.01, agreement: answersToKeep };

/** What `compareOutputs` found, judged by the answers where rounding alone takes backbone and head too far from the CPU. */
export function judgeRounding(
  compared: Compared,
  found: readonly Outputs[],
  byCpu: Outputs,
  { examples, task }: { readonly examples: number; readonly task: TaskKind },
): Compared {
  if (compared.isRight || compared.rounding === undefined) return compared;
  const judged = compareAnswers(found, byCpu, examples, { task, ...roundingLeeway });
  return { ...judged, ...compared, isRight: judged.isRight };
}

/** NaN where the sizes differ or a value is none. */
function differences(values: Float32Array, expected: Float32Array): { max: number; mean: number } {
  if (values.length !== expected.length) return { max: Number.NaN, mean: Number.NaN };
  let [max, sum] = [0, 0];
  for (const [i, value] of values.entries()) {
    const difference = Math.abs(value - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    max = Math.max(max, difference);
    sum += difference;
  }
  return { max, mean: sum / values.length };
}

function largestIn(values: Float32Array, start: number, end: number): string {
  let best = start;
  for (let i = start + 1; i < end; i++) if (values[i]! > values[best]!) best = i;
  return String(best - start);
}

function labelsIn(values: Float32Array, start: number, end: number): string {
  return Array.from(values.subarray(start, end), (value) => (value >= 0.5 ? 1 : 0)).join('');
}
