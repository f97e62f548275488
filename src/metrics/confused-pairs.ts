/** Which classes are taken for which: where to look first when a model errs. */

export interface ConfusedPair {
  readonly label: string;
  readonly prediction: string;
  readonly examples: number;
  /** Of the examples with this label. */
  readonly share: number;
}

/**
 * The largest numbers off the diagonal, largest first.
 * @param confusion - confusion[label][prediction]
 */
export function confusedPairs(
  confusion: readonly (readonly number[])[],
  classes: readonly string[],
  most = 10,
): ConfusedPair[] {
  const pairs: ConfusedPair[] = [];
  confusion.forEach((row, label) => {
    const support = row.reduce((a, b) => a + b, 0);
    row.forEach((examples, prediction) => {
      if (examples === 0 || prediction === label) return;
      pairs.push({
        label: classes[label]!,
        prediction: classes[prediction]!,
        examples,
        share: examples / support,
      });
    });
  });
  return pairs.sort((a, b) => b.examples - a.examples || b.share - a.share).slice(0, most);
}
