/** Which classes are taken for which: where to look first when a model errs. */
import { cellsOf, type Confusion, supportOf } from './confusion.js';

export interface ConfusedPair {
  readonly label: string;
  readonly prediction: string;
  readonly examples: number;
  /** Of the examples with this label. */
  readonly share: number;
}

/** The largest numbers off the diagonal, largest first. */
export function confusedPairs(confusion: Confusion, classes: readonly string[], most = 10): ConfusedPair[] {
  const pairs: ConfusedPair[] = [];
  confusion.forEach((row, label) => {
    const support = supportOf(row);
    for (const [prediction, examples] of cellsOf(row)) {
      if (prediction === label) continue;
      pairs.push({
        label: classes[label]!,
        prediction: classes[prediction]!,
        examples,
        share: examples / support,
      });
    }
  });
  return pairs.sort((a, b) => b.examples - a.examples || b.share - a.share).slice(0, most);
}
