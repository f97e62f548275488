/** What the examples of a set are to be predicted as. */
export interface Targets {
  readonly rows: number;
  /** Names of the classes, the labels, or the numbers that are predicted: of the outputs, in their order. */
  readonly classes: readonly string[];
  /** Index into `classes`, one a row; empty where the task has `targets` instead. */
  readonly labels: Int32Array;
  /** [rows, classes]: 0 or 1 for each label (multi), or the numbers themselves (regression). */
  readonly targets?: Float32Array | undefined;
}

/**
 * Row c is what an example of class c weighs in the loss of every class, [classes, classes]: one-hot, or with a share ε
 * of it spread over all, times the class's weight.
 */
export function massTable(classCount: number, smoothing = 0, classWeights?: Float32Array): Float64Array {
  return Float64Array.from({ length: classCount ** 2 }, (_, i) => {
    const own = i % (classCount + 1) === 0 ? 1 - smoothing : 0;
    return (own + smoothing / classCount) * (classWeights?.[Math.floor(i / classCount)] ?? 1);
  });
}

/**
 * Ones where the labels are, zeros elsewhere, for rows `from` to before `to`: [to - from, classes].
 * @param most - rows at a time; what a call returns is used again by the next
 */
export function oneHotRows(
  { labels, classes }: Targets,
  most: number,
): (from: number, to: number) => Float32Array {
  const width = classes.length;
  const memory = new Float32Array(most * width);
  let before = { from: 0, to: 0 };
  const mark = (rows: typeof before, value: number): void => {
    for (let row = rows.from, at = 0; row < rows.to; row++, at += width) memory[at + labels[row]!] = value;
  };
  return (from, to) => {
    mark(before, 0);
    before = { from, to };
    mark(before, 1);
    return memory.subarray(0, (to - from) * width);
  };
}

/** Those of some examples, in the order given. */
export function selectTargets({ labels, targets, classes }: Targets, rows: ArrayLike<number>): Targets {
  const outputs = classes.length;
  const own = new Int32Array(labels.length > 0 ? rows.length : 0);
  for (let i = 0; i < own.length; i++) own[i] = labels[rows[i]!]!;
  const values = targets && new Float32Array(rows.length * outputs);
  if (values) {
    for (let i = 0; i < rows.length; i++) {
      values.set(targets.subarray(rows[i]! * outputs, (rows[i]! + 1) * outputs), i * outputs);
    }
  }
  return { rows: rows.length, classes, labels: own, ...(values && { targets: values }) };
}

/** Examples of each class, or with each label. */
export function countTargets({ labels, targets, classes }: Targets): Float64Array {
  const counts = new Float64Array(classes.length);
  for (const label of labels) counts[label]!++;
  targets?.forEach((value, i) => {
    if (value > 0.5) counts[i % classes.length]!++;
  });
  return counts;
}

/** Weights rows / (classes · rows of the class), as scikit-learn's `balanced`; 0 for a class without examples. */
export function balanceLabels(set: Targets): Float32Array {
  const { rows, classes } = set;
  return Float32Array.from(countTargets(set), (count) => (count > 0 ? rows / (classes.length * count) : 0));
}

/** Number of the examples of each class, each times its weight. */
export function sumLabels(
  { labels, classes }: Targets,
  classWeights?: Float32Array,
  include: (row: number) => boolean = () => true,
): Float64Array {
  const totals = new Float64Array(classes.length);
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row]!;
    if (include(row)) totals[label]! += classWeights?.[label] ?? 1;
  }
  return totals;
}

/** The labels of rows order[0], order[1], …. */
export function labelsInOrder(labels: Int32Array, order: ArrayLike<number>): Int32Array {
  return Int32Array.from(order, (row) => labels[row]!);
}
