import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { emptyPredictions, fillPredictions, findLabelErrors } from '../../src/metrics/label-errors.js';

interface Case {
  readonly classes: number;
  readonly labels: readonly number[];
  /** [labels.length, classes] */
  readonly probabilities: readonly number[];
  /** Rows that cleanlab finds. */
  readonly found: readonly number[];
}

const cases = JSON.parse(readFileSync('test/metrics/fixtures/label-errors.json', 'utf8')) as Case[];

describe('Labels that are probably wrong', () => {
  for (const { classes, labels, probabilities, found } of cases) {
    it(`are those that cleanlab finds by confident learning: ${classes} classes, ${labels.length} examples`, () => {
      const heldOut = emptyPredictions(Int32Array.from(labels));
      // In two parts of alternating rows, as folds come.
      for (const part of [0, 1]) {
        const rows = labels.map((_, row) => row).filter((row) => row % 2 === part);
        const own = rows.flatMap((row) => probabilities.slice(row * classes, (row + 1) * classes));
        fillPredictions(heldOut, rows, Float32Array.from(own));
      }
      const rows = findLabelErrors(heldOut, classes);
      expect(rows.toSorted((a, b) => a - b)).to.deep.equal(found);
      const margins = rows.map((row) => heldOut.confidence[row]! - heldOut.labelProbability[row]!);
      expect(margins).to.deep.equal(margins.toSorted((a, b) => b - a));
    });
  }

  it('are none where no example has the class that is predicted', () => {
    const heldOut = emptyPredictions(Int32Array.of(0, 0, 1));
    fillPredictions(heldOut, [0, 1, 2], Float32Array.of(0, 0, 1, 1, 0, 0, 0, 1, 0));
    expect(findLabelErrors(heldOut, 3)).to.deep.equal([]);
  });
});
