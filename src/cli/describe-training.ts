import type { TrainReport } from '../pipeline/training-run.js';
import { describeFolds, describeLabelErrors, describeScore } from '../tasks/describe-score.js';
import { describeMetrics } from './describe-metrics.js';
import { formatExamples, formatSeconds } from './format-text.js';

/** What one of `classes` is, and several, by task. */
const outputsOf = {
  single: ['class', 'classes'],
  ordered: ['ordered class', 'ordered classes'],
  multi: ['label', 'labels'],
  regression: ['predicted number', 'predicted numbers'],
} as const;

/** @example count(1, ['label', 'labels']) // '1 label' */
function count(number: number, [one, several]: readonly [string, string]): string {
  return `${number} ${number === 1 ? one : several}`;
}

function stepsOf({ solver, stoppedAt, convergence }: TrainReport): string {
  if (solver === undefined) return '';
  const steps = count(stoppedAt, solver === 'lbfgs' ? ['iteration', 'iterations'] : ['epoch', 'epochs']);
  return convergence ? ` (${steps}, gradient ${convergence.gradient.toExponential(1)})` : ` (${steps})`;
}

/** The result in a few lines. */
export function describeTraining(report: TrainReport): string {
  const { train, validation, examples } = report;
  const lines = [
    `${count(report.classes.length, outputsOf[report.task])}, trained on ${formatExamples(examples.train)} in ${formatSeconds(report.seconds)}${stepsOf(report)}`,
    `train       ${describeScore(train)}`,
  ];
  if (validation) {
    lines.push(`validation  ${describeScore(validation)}  (${formatExamples(examples.validation)})`);
  }
  if (report.neighbours) {
    lines.push(`${report.neighbours.k} nearest   ${describeScore(report.neighbours)}`);
  }
  if (report.crossValidation) lines.push(describeFolds(report.crossValidation));
  if (report.labelErrors) {
    const { found, file } = report.labelErrors;
    lines.push(`${describeLabelErrors(report.labelErrors)}${found > 0 ? `: ${file}` : ''}`);
  }
  if (report.headAlone?.validation) {
    // Else a few epochs that were seen go by, and the result is said to have none.
    const what =
      report.stoppedAt === 0
        ? 'is what is kept: moving the layers made it no better'
        : 'before the layers moved';
    lines.push(`head alone  ${describeScore(report.headAlone.validation)}  ${what}`);
  }
  const { metrics, calibration } = report;
  if (metrics) lines.push(...describeMetrics(metrics));
  if (calibration) {
    const { temperature, before, after } = calibration;
    lines.push(
      `calibrated  temperature ${temperature.toPrecision(4)}  ECE ${before.ece.toFixed(4)} → ${after.ece.toFixed(4)}  ` +
        `loss ${before.loss.toFixed(4)} → ${after.loss.toFixed(4)}`,
    );
  }
  return [...lines, report.run].join('\n');
}
