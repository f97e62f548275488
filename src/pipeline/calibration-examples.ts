/** What the values of a run's backbone are measured on where they become 8-bit integers: training examples. */
import { GraftError } from '../errors.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { openEncoder } from '../inputs/open-encoder.js';
import { silentLogger } from '../logger.js';
import type { InputSpec } from '../models/input-spec.js';
import type { Hooks } from './cache-features.js';
import { readExamples } from './read-examples.js';
import { type FeatureRunConfig, isFeatureRun, type RunConfig } from './run-folder.js';

/** Examples that are in memory at a time. */
const together = 8;

/** @throws GraftError USAGE where the run knows no examples, INVALID_DATASET where none of them is there any more, INTERRUPTED */
export async function* calibrationExamples(
  config: FeatureRunConfig | RunConfig,
  input: InputSpec,
  folder: string,
  { logger = silentLogger, signal }: Hooks,
): AsyncGenerator<EncodedExamples> {
  if (isFeatureRun(config)) {
    throw new GraftError(
      'USAGE',
      `int8 needs examples to measure the backbone's values on, and ${folder} was trained on features alone: choose --precision int8-dynamic or float16.`,
    );
  }
  const { calibrationExamples: own = [], verifyImages, data } = config;
  const encoder = openEncoder(input);
  let count = 0;
  for (let at = 0; at < own.length; at += together) {
    const examples = await readExamples(own.slice(at, at + together));
    if (signal?.aborted)
      throw new GraftError('INTERRUPTED', 'The calibration was stopped; nothing was written.');
    count += examples.length;
    if (examples.length > 0) yield encoder.encode(examples);
  }
  if (count > 0) return;
  const examples = await readExamples(verifyImages);
  if (examples.length === 0) {
    throw new GraftError(
      'INVALID_DATASET',
      `None of the examples that ${folder} was trained with is there any more, and int8 needs some to measure the backbone's values on; ` +
        `put the data set back at ${data}, or choose --precision int8-dynamic or float16.`,
    );
  }
  const why =
    own.length === 0
      ? 'was trained by an earlier version, which noted none'
      : 'finds none of those it was trained on';
  logger.warn(
    `int8 is calibrated on the ${examples.length} examples that it is then verified on, and so looks better than it is, as ${folder} ${why}.`,
  );
  yield encoder.encode(examples);
}
