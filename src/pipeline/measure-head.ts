/** What every way of training ends with: the head calibrated where that is asked for, then measured as it is kept. */
import type { TrainedHead } from '../heads/head.js';
import type { Logger } from '../logger.js';
import { calibrateHead } from './calibrate-head.js';
import { evaluateRun, type EvaluateRunInput, type RunEvaluation } from './evaluate-run.js';

export interface MeasureInput extends Omit<EvaluateRunInput, 'calibration'> {
  /** Fits a temperature; on the validation part alone. */
  readonly calibrate?: boolean | undefined;
  readonly logger?: Logger | undefined;
}

export interface MeasuredHead {
  readonly head: TrainedHead;
  readonly evaluation: RunEvaluation;
}

export async function measureHead({ calibrate, logger, ...input }: MeasureInput): Promise<MeasuredHead> {
  const { head, set, part, threads } = input;
  if (calibrate && part === 'train') {
    logger?.warn(
      '--calibrate is not used: it is fitted on a validation part, but there is none; hold one out with --validation 0.2.',
    );
  }
  const calibrated =
    calibrate && part === 'validation'
      ? await calibrateHead(head, set, { threads, logger })
      : { head, calibration: undefined };
  return { head: calibrated.head, evaluation: await evaluateRun({ ...input, ...calibrated }) };
}
