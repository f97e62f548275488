/** `--calibrate`: makes a head's probabilities mean what they say, by one temperature fitted on the validation part. */
import { GraftError } from '../errors.js';
import type { TrainedHead } from '../heads/head.js';
import { type Logger, silentLogger } from '../logger.js';
import { expectedCalibrationError, reliabilityCurve } from '../metrics/calibration.js';
import { fitTemperature } from '../metrics/temperature.js';
import type { AnyFeatureSet } from '../train/feature-set.js';
import { scoreHead } from '../train/score-head.js';

export interface Calibration {
  readonly temperature: number;
  /** Expected calibration error and mean cross-entropy of the validation part, without and with the temperature. */
  readonly before: { readonly ece: number; readonly loss: number };
  readonly after: { readonly ece: number; readonly loss: number };
}

/** Logits of a trained head are some tens apart at most. */
const uselessTemperature = 100;

/** Before any work is done. @throws GraftError USAGE */
export function assertCalibratable(options: {
  readonly calibrate?: boolean | undefined;
  readonly validation?: number | undefined;
  readonly task?: string | undefined;
}): void {
  if (!options.calibrate) return;
  if (options.task !== undefined && options.task !== 'single') {
    throw new GraftError(
      'USAGE',
      `--calibrate scales the softmax of classes that exclude each other, but the task is ${options.task}; leave it out.`,
    );
  }
  if (options.validation === 0) {
    throw new GraftError(
      'USAGE',
      '--calibrate needs a validation part, but --validation is 0; hold a share out or leave --calibrate out.',
    );
  }
}

export async function calibrateHead(
  head: TrainedHead,
  validation: AnyFeatureSet,
  {
    threads,
    logger = silentLogger,
  }: { readonly threads?: number | undefined; readonly logger?: Logger | undefined } = {},
): Promise<{ readonly head: TrainedHead; readonly calibration: Calibration }> {
  const classCount = head.classes.length;
  const { logits, outputs } = await scoreHead(head, validation, threads);
  const fit = fitTemperature(logits, validation.labels, classCount);
  if (!fit.isFitted) {
    logger.warn(
      'Every label of the validation part is told right, so it cannot say how sure the head should be: --calibrate leaves the ' +
        'probabilities as they are. Hold out more examples with --validation.',
    );
  }
  if (fit.temperature > uselessTemperature) {
    logger.warn(
      `The head is wrong about the validation part as often as it is sure: --calibrate makes all probabilities nearly equal ` +
        `(temperature ${fit.temperature.toPrecision(3)}). Hold out more examples with --validation, or leave --calibrate out.`,
    );
  }
  const calibrated = { ...head, temperature: fit.temperature };
  const after = await scoreHead(calibrated, validation, threads);
  const errorOf = (probabilities: Float32Array): number =>
    expectedCalibrationError(reliabilityCurve(probabilities, validation.labels, classCount));
  return {
    head: calibrated,
    calibration: {
      temperature: fit.temperature,
      before: { ece: errorOf(outputs), loss: fit.lossBefore },
      after: { ece: errorOf(after.outputs), loss: fit.lossAfter },
    },
  };
}
