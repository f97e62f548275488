/** Labels of the training part that its cross-validation finds to be probably wrong: for people to look at. */
import { csvCell } from '../csv-cell.js';
import { findLabelErrors, type HeldOutPredictions } from '../metrics/label-errors.js';
import type { RatedExample, SuspectLabel } from './evaluate-run.js';

export interface LabelErrors {
  /** How many labels are probably wrong, of so many examples. */
  readonly found: number;
  readonly examples: number;
  /** The likeliest ones. */
  readonly listed: readonly SuspectLabel[];
}

/** More than anybody looks at before training again. */
const mostListed = 1000;

/** @param describeRow - what an example is called, and where it is a text how it begins */
export async function listLabelErrors(
  heldOut: HeldOutPredictions,
  classes: readonly string[],
  describeRow: (row: number) => Promise<Pick<RatedExample, 'path' | 'text'>>,
): Promise<LabelErrors> {
  const rows = findLabelErrors(heldOut, classes.length);
  const { labels, predictions, confidence, labelProbability } = heldOut;
  const listed: SuspectLabel[] = [];
  for (const row of rows.slice(0, mostListed)) {
    listed.push({
      ...(await describeRow(row)),
      label: classes[labels[row]!]!,
      prediction: classes[predictions[row]!]!,
      score: confidence[row]!,
      labelScore: labelProbability[row]!,
    });
  }
  return { found: rows.length, examples: labels.length, listed };
}

/** A line an example, the likeliest error first. */
export function labelErrorsCsv({ listed }: LabelErrors): string {
  const hasTexts = listed.some(({ text }) => text !== undefined);
  const lines = listed.map(({ path, text, label, prediction, score, labelScore }) =>
    [path, label, prediction, labelScore.toFixed(4), score.toFixed(4), ...(hasTexts ? [text ?? ''] : [])]
      .map(csvCell)
      .join(','),
  );
  const header = `path,label,prediction,label_probability,prediction_probability${hasTexts ? ',text' : ''}`;
  return `${[header, ...lines].join('\n')}\n`;
}
