/** What is said of the training part before anything is fitted to it. */
import { sayBalance } from '../dataset/say-balance.js';
import { nameSome } from '../errors.js';
import type { Logger } from '../logger.js';
import { countTargets, type Targets } from '../tasks/targets.js';
import type { TaskKind } from '../tasks/task.js';

export interface SayOptions {
  readonly task: TaskKind;
  readonly classWeights?: 'none' | 'balanced' | undefined;
}

export function sayTraining(train: Targets, { task, classWeights }: SayOptions, logger: Logger): void {
  const constant = train.rows > 1 ? train.classes.filter((_, c) => isConstant(train, c)) : [];
  if (constant.length > 0) {
    const what =
      task === 'multi' ? 'Every training example has' : 'The same amount in every training example:';
    logger.warn(
      `${what} ${nameSome(constant, 5)}. A model learns nothing from what never differs; look for a mistake, or leave it out.`,
    );
  }
  if (task === 'regression') return;
  sayBalance(train.classes, countTargets(train), { isWeighted: classWeights === 'balanced' }, logger);
}

/** False where the targets are classes. */
function isConstant({ targets, classes, rows }: Targets, c: number): boolean {
  if (!targets) return false;
  for (let row = 1; row < rows; row++) if (targets[row * classes.length + c] !== targets[c]) return false;
  return true;
}
