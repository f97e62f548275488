import type { FigureName, Score } from './task.js';

const titles: Readonly<Record<FigureName, string>> = {
  accuracy: 'accuracy',
  macroF1: 'macro F1',
  microF1: 'micro F1',
  r2: 'R²',
  mae: 'mean absolute error',
  rmse: 'RMSE',
};
const shares: readonly FigureName[] = ['accuracy', 'macroF1', 'microF1'];

/** @example formatFigure('accuracy', 0.963) // '96.3 %' */
export function formatFigure(name: FigureName, value: number): string {
  return shares.includes(name) ? `${(100 * value).toFixed(1)} %` : value.toPrecision(4);
}

/** Losses of amounts are in their squared unit, so they may be large. @example formatLoss(0.1234) // '0.1234' */
export function formatLoss(loss: number): string {
  if (loss < 100) return loss.toFixed(4);
  return loss < 1e6 ? loss.toFixed(1) : loss.toPrecision(4);
}

/** Of ordered classes, which have an accuracy too, errors are counted in steps. */
function titleOf(name: FigureName, figures: { readonly [Name in FigureName]?: unknown }): string {
  return name === 'mae' && figures.accuracy !== undefined ? 'mean steps off' : titles[name];
}

/** @example describeScore({ loss: 0.1234, accuracy: 0.963 }) // 'loss 0.1234  accuracy 96.3 %' */
export function describeScore(score: Score): string {
  const figures = (Object.keys(titles) as FigureName[])
    .filter((name) => score[name] !== undefined)
    .map((name) => `${titleOf(name, score)} ${formatFigure(name, score[name]!)}`);
  return [`loss ${formatLoss(score.loss)}`, ...figures].join('  ');
}

/** Share of the labels beyond which a weak head is likelier than so many wrong labels. */
const manyErrors = 0.1;

/**
 * Of many it is said that the heads may be wrong instead: a weak head is sure of another class too.
 * @example describeLabelErrors({ found: 14, examples: 2062 }) // '14 of 2062 labels look wrong'
 */
export function describeLabelErrors({
  found,
  examples,
}: {
  readonly found: number;
  readonly examples: number;
}): string {
  const said = `${found === 0 ? 'none' : found} of ${examples} labels ${found === 1 || found === 0 ? 'looks' : 'look'} wrong`;
  return found > manyErrors * examples ? `${said} (so many are often the head's own mistakes)` : said;
}

/** A figure's mean and deviation over folds. */
interface Spread {
  readonly mean: number;
  readonly std: number;
}

/** @example describeFolds({ folds: 5, accuracy: { mean: 0.931, std: 0.012 } }) // 'cross-validated over 5 folds: accuracy 93.1 % ± 1.2 %' */
export function describeFolds({
  folds,
  ...spreads
}: { readonly folds: number } & { readonly [Figure in keyof Score]?: Spread }): string {
  const names = (Object.keys(titles) as FigureName[]).filter((name) => spreads[name] !== undefined);
  const figures = names.map((name) => {
    const { mean, std } = spreads[name]!;
    return `${titleOf(name, spreads)} ${formatFigure(name, mean)} ± ${formatFigure(name, std)}`;
  });
  const { loss } = spreads;
  if (loss) figures.push(`loss ${formatLoss(loss.mean)} ± ${formatLoss(loss.std)}`);
  return `cross-validated over ${folds} folds: ${figures.join(', ')}`;
}
