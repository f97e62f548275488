/** What is predicted for which label: confusion[label][prediction] is a number of examples. */

/**
 * The predictions of a label. Of very many classes nearly all numbers are 0, and all of them would take hundreds of
 * megabytes: a row then holds those above 0 alone, by the prediction's index.
 */
export type ConfusionRow = readonly number[] | Readonly<Record<number, number>>;

export type Confusion = readonly ConfusionRow[];

/** Of more classes than these, rows hold only what is not 0. */
const mostWithZeros = 1000;

/**
 * @param labels - of each example
 * @param predicted - of each example
 */
export function countConfusion(
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classCount: number,
): Confusion {
  const newRow = (): Record<number, number> =>
    classCount > mostWithZeros ? {} : new Array<number>(classCount).fill(0);
  const confusion = Array.from({ length: classCount }, newRow);
  for (let i = 0; i < labels.length; i++) {
    const row = confusion[labels[i]!]!;
    row[predicted[i]!] = (row[predicted[i]!] ?? 0) + 1;
  }
  return confusion;
}

/** The predictions of a row that are not 0, with their numbers of examples. */
export function cellsOf(row: ConfusionRow): (readonly [prediction: number, examples: number])[] {
  const cells: (readonly [number, number])[] = [];
  const add = (examples: number, prediction: number): void => {
    if (examples > 0) cells.push([prediction, examples]);
  };
  if (Array.isArray(row)) (row as readonly number[]).forEach(add);
  else for (const [prediction, examples] of Object.entries(row)) add(examples, Number(prediction));
  return cells;
}

/** Examples of a label. */
export function supportOf(row: ConfusionRow): number {
  return cellsOf(row).reduce((sum, [, examples]) => sum + examples, 0);
}
