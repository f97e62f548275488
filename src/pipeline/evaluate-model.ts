/** `graft eval`: metrics of an exported file on a labelled data set. */
import { type DataOptions, readDataset } from '../dataset/read-dataset.js';
import { GraftError, messageOf } from '../errors.js';
import { silentLogger } from '../logger.js';
import { type Evaluation, evaluateOutputs } from '../metrics/evaluation.js';
import { openPredictor } from '../predict/predictor.js';
import type { Device } from '../runtime/session.js';
import { readSource } from '../sources/read-source.js';
import type { Hooks } from './cache-features.js';

export interface EvaluateOptions extends DataOptions {
  readonly model: string;
  readonly data: string;
  /** Evaluate only this part, where the data set has parts. */
  readonly split?: 'train' | 'validation' | 'test' | undefined;
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  readonly onError?: 'skip' | 'fail' | undefined;
}

export type EvaluationReport = Evaluation & {
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
};

const batchSize = 16;

/** @throws GraftError INVALID_DATASET where the data set has classes the model does not know. */
export async function evaluateModel(options: EvaluateOptions, hooks: Hooks = {}): Promise<EvaluationReport> {
  const { logger = silentLogger, onProgress, signal } = hooks;
  const dataset = await readDataset(options.data, options, logger);
  const examples = dataset.examples.filter(({ split }) => !options.split || split === options.split);
  if (examples.length === 0) {
    throw new GraftError('INVALID_DATASET', `${options.data} has no examples in its part ${options.split}.`);
  }
  const predictor = await openPredictor(options.model, {
    device: options.device ?? 'auto',
    ...(options.threads && { threads: options.threads }),
  });
  try {
    const { labels: classes } = predictor.metadata;
    const indexOf = new Map(classes.map((label, i) => [label, i]));
    const strange = dataset.classes.filter((label) => !indexOf.has(label));
    if (strange.length > 0) {
      throw new GraftError(
        'INVALID_DATASET',
        `${options.data} has classes that ${options.model} does not know: ${strange.join(', ')}. It knows ${classes.join(', ')}.`,
      );
    }
    const probabilities = new Float32Array(examples.length * classes.length);
    const labels: number[] = [];
    const skipped: { path: string; reason: string }[] = [];
    for (let start = 0; start < examples.length; start += batchSize) {
      if (signal?.aborted)
        throw new GraftError('INTERRUPTED', `Stopped after ${start} of ${examples.length} images.`);
      const batch = examples.slice(start, start + batchSize);
      for (const group of [batch, ...batch.map((example) => [example])]) {
        try {
          const rows = await predictor.predict(
            await Promise.all(group.map(async (example) => (await readSource(example)).bytes)),
          );
          probabilities.set(rows, labels.length * classes.length);
          for (const { label } of group) labels.push(indexOf.get(dataset.classes[label]!)!);
          if (group === batch) break;
        } catch (error) {
          // The whole batch failed for one image: the loop goes on one by one, and only that one is left out.
          if (group === batch) continue;
          if (options.onError === 'fail') throw error;
          skipped.push({ path: group[0]!.path, reason: messageOf(error) });
        }
      }
      onProgress?.({ done: start + batch.length, total: examples.length });
    }
    const { task } = predictor.metadata;
    const outputs = probabilities.subarray(0, labels.length * classes.length);
    return { ...evaluateOutputs({ task, outputs, classes, labels }), skipped };
  } finally {
    await predictor.release();
  }
}
