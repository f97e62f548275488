import { assignFolds } from '../dataset/assign-folds.js';
import { GraftError, nameSome } from '../errors.js';
import type { Logger } from '../logger.js';
import { countTargets, type Targets } from '../tasks/targets.js';
import type { TaskKind } from '../tasks/task.js';

/** Where nobody says how many. */
const usualFolds = 5;
/** One to learn from and one to be judged on. */
export const fewestFolds = 2;

interface FoldSettings {
  readonly seed: number;
  readonly task: TaskKind;
  readonly logger: Logger;
}

/**
 * The folds of a search: as many as are named, and else five, or as many as the data allow, which is said.
 * @param groups - for each row what must stay with it in one fold; undefined where each stands alone
 * @throws GraftError INVALID_DATASET as `foldsOf`
 */
export function foldsOfSearch(
  train: Targets,
  groups: Int32Array | undefined,
  named: number | undefined,
  settings: FoldSettings,
): { readonly folds: Int32Array; readonly foldCount: number } {
  if (named !== undefined) return { folds: foldsOf(train, groups, named, settings), foldCount: named };
  const { most, why } = mostFolds(train, groups, settings.task);
  let foldCount = Math.max(fewestFolds, Math.min(usualFolds, most));
  const isMeasured = (): boolean =>
    settings.task !== 'regression' || isMeasurable(divide(train, groups, foldCount, settings), foldCount);
  while (foldCount > fewestFolds && !isMeasured()) foldCount--;
  const folds = foldsOf(train, groups, foldCount, settings);
  if (foldCount < usualFolds) {
    const reason = foldCount < most ? 'of more folds one would have a single example, without R²' : why;
    settings.logger.warn(`Candidates are judged on ${foldCount} folds in place of ${usualFolds}: ${reason}.`);
  }
  return { folds, foldCount };
}

/** What the data allow at most, and what it is that allows no more. */
function mostFolds(
  train: Targets,
  groups: Int32Array | undefined,
  task: TaskKind,
): { readonly most: number; readonly why: string } {
  const { rows, classes, labels } = train;
  const limits = [{ most: Math.floor(rows / rowsPerFold(task)), why: `there are ${rows} training examples` }];
  if (groups) {
    const most = new Set(groups).size;
    limits.push({ most, why: `there are ${most} groups of training examples` });
  }
  if (labels.length > 0) {
    const counts = countTargets(train);
    const most = counts.reduce((least, count) => Math.min(least, count), rows);
    const name = classes[counts.indexOf(most)];
    limits.push({ most, why: `the smallest class, "${name}", has ${most} training examples` });
  }
  return limits.reduce((least, limit) => (limit.most <= least.most ? limit : least));
}

/** R² of one example is not defined. */
const rowsPerFold = (task: TaskKind): number => (task === 'regression' ? 2 : 1);

/**
 * The fold of each training example.
 * @throws GraftError INVALID_DATASET where a class has fewer examples than there are folds, or amounts are too few.
 */
export function foldsOf(
  train: Targets,
  groups: Int32Array | undefined,
  foldCount: number,
  settings: FoldSettings,
): Int32Array {
  const { labels, rows, classes } = train;
  const { task } = settings;
  const counts = labels.length > 0 ? countTargets(train) : undefined;
  assertEnoughForFolds({ rows, classes, counts, task }, foldCount);
  const folds = divide(train, groups, foldCount, settings);
  sayUnlearned(train, folds, settings.logger);
  if (task !== 'regression' || isMeasurable(folds, foldCount)) return folds;
  throw new GraftError(
    'INVALID_DATASET',
    `Of the ${rows} training examples --folds ${foldCount} leaves a fold with one, on which R² cannot be measured; lower --folds.`,
  );
}

/** A group may hold all there is of a class. */
function sayUnlearned({ labels, classes }: Targets, folds: Int32Array, logger: Logger): void {
  const foldsOfClass = classes.map(() => new Set<number>());
  for (const [row, label] of labels.entries()) foldsOfClass[label]!.add(folds[row]!);
  const alone = classes.filter((_, c) => foldsOfClass[c]!.size === 1);
  if (alone.length === 0) return;
  logger.warn(
    `All training examples of ${nameSome(alone)} belong together and lie in one fold, which is judged by heads that have not seen ` +
      `${alone.length === 1 ? 'this class' : 'these classes'}: the figures over folds are lower than those of a head that has.`,
  );
}

function divide(
  { labels, rows, classes }: Targets,
  groups: Int32Array | undefined,
  foldCount: number,
  { seed }: FoldSettings,
): Int32Array {
  const ofClasses = labels.length > 0 ? labels : new Int32Array(rows);
  return assignFolds(ofClasses, classes.length, foldCount, { seed, groups });
}

/** Groups may leave a fold with one example. */
function isMeasurable(folds: Int32Array, foldCount: number): boolean {
  const sizes = new Int32Array(foldCount);
  for (const fold of folds) sizes[fold]!++;
  return sizes.every((size) => size > 1);
}

interface TrainingRows {
  readonly rows: number;
  readonly classes: readonly string[];
  /** Rows of each class, where the target is one class. */
  readonly counts: ArrayLike<number> | undefined;
  readonly task: TaskKind;
}

/** @throws GraftError INVALID_DATASET where a class, or all together, have fewer examples than there are folds. */
export function assertEnoughForFolds({ rows, classes, counts, task }: TrainingRows, foldCount: number): void {
  const least = rowsPerFold(task) * foldCount;
  if (rows < least) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected ${least} training examples or more for --folds ${foldCount}` +
        `${task === 'regression' ? ', two each, as R² of one is not defined,' : ''} but there are ${rows}; ` +
        `${rows < fewestFolds * rowsPerFold(task) ? 'add examples' : 'lower --folds'}.`,
    );
  }
  const thin = counts ? Array.from(counts).findIndex((count) => count < foldCount) : -1;
  if (thin < 0) return;
  throw new GraftError(
    'INVALID_DATASET',
    `Expected ${foldCount} training examples or more of every class for --folds ${foldCount}, but "${classes[thin]}" has ${counts![thin]}; ` +
      (counts![thin]! < 2 ? 'add examples or leave the class out.' : 'lower --folds or add examples.'),
  );
}
