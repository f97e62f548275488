/** What `graft gradient` wrote, and how its gradients compare with finite differences. */
import { GraftError } from '../errors.js';
import type { GradientReport } from '../pipeline/write-gradients.js';
import { formatShape } from '../tensor/shape.js';
import { formatTable } from './format-text.js';

/** @throws GraftError VERIFICATION_FAILED where gradients are further from the differences than the tolerance. */
export function assertGradientsAgree(report: GradientReport, tolerance: number): void {
  const wrong = report.check?.filter(({ maxRelativeError }) => !(maxRelativeError <= tolerance)) ?? [];
  if (wrong.length > 0) {
    throw new GraftError(
      'VERIFICATION_FAILED',
      `${wrong.length} of ${comparedIn(report)?.length} gradients are further than ${tolerance} from finite differences:\n${tableOf(report)}`,
    );
  }
  const { checkTogether: together } = report;
  if (!together || together.relativeError <= tolerance) return;
  throw new GraftError(
    'VERIFICATION_FAILED',
    `All ${together.parameters} gradients together are further than ${tolerance} from finite differences: ${alongOne(together)}. ` +
      `Suspected: ${together.suspects.join(', ') || 'none by itself'}.\n${tableOf(report)}`,
  );
}

/** @param out - where the model was written, if it was */
export function describeGradients(report: GradientReport, out: string | undefined): string {
  const summary = `${report.gradients.length} gradients of ${report.loss}${describeCheck(report)}`;
  const kinks = report.check?.reduce((total, row) => total + row.kinks, 0) ?? 0;
  const note = `${kinks} more lay on a kink (of Relu, MaxPool or the like), where there is no one slope.`;
  return [
    out === undefined ? summary : `${out}: ${summary}`,
    tableOf(report),
    ...(kinks > 0 ? [note] : []),
  ].join('\n\n');
}

function describeCheck(report: GradientReport): string {
  const compared = comparedIn(report);
  if (!compared) return '';
  const { checkTogether: together, gradients } = report;
  const moved =
    together && together.parameters < gradients.length
      ? `${together.parameters} of them, without scalars,`
      : 'all of them';
  const along = together
    ? alongOne(together)
    : 'not compared along one random direction, which leads over kinks';
  const elements =
    compared.length === gradients.length
      ? 'all'
      : `${compared.length}, chosen at random, as the time was over (--samples 1 takes all)`;
  return `; ${moved} together: ${along}; by elements: ${elements}`;
}

function alongOne(together: NonNullable<GradientReport['checkTogether']>): string {
  return (
    `along one random direction the slope is ${together.analytic.toPrecision(6)} by the gradients and ` +
    `${together.numeric.toPrecision(6)} by the difference, relative error ${together.relativeError.toExponential(1)}`
  );
}

/** Parameters of which an element was looked at. */
function comparedIn({ check }: GradientReport): GradientReport['check'] {
  return check?.filter(({ compared, kinks }) => compared + kinks > 0);
}

function tableOf(report: GradientReport): string {
  const rows = comparedIn(report)?.map(({ name, shape, compared, analytic, numeric, maxRelativeError }) => [
    name,
    formatShape(shape),
    compared,
    analytic.toPrecision(6),
    numeric.toPrecision(6),
    maxRelativeError.toExponential(1),
  ]);
  if (!rows) return formatTable(report.gradients.map(({ output, shape }) => [output, formatShape(shape)]));
  return formatTable([
    ['parameter', 'shape', 'compared', 'analytic', 'numeric', 'max relative error'],
    ...rows,
  ]);
}
