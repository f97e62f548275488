/** `graft eval`: metrics of an exported file on a labelled data set. */
import { type DataOptions, readDataset } from '../dataset/read-dataset.js';
import { GraftError, messageOf } from '../errors.js';
import type { Skipped } from '../features/collect-rows.js';
import { silentLogger } from '../logger.js';
import { type Evaluation, evaluateOutputs } from '../metrics/evaluation.js';
import { assertFinite } from '../predict/assert-finite.js';
import { openPredictor } from '../predict/predictor.js';
import type { Device } from '../runtime/session.js';
import { readSource } from '../sources/read-source.js';
import { assertSameKind } from './assert-same-kind.js';
import { expectedOutputs } from './expected-outputs.js';
import type { Hooks } from './cache-features.js';

export interface EvaluateOptions extends DataOptions {
  readonly model: string;
  readonly data: string;
  /** Evaluate only this part, where the data set has parts. */
  readonly split?: 'train' | 'validation' | 'test' | undefined;
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** Examples a run of the model. */
  readonly batch?: number | undefined;
  readonly onError?: 'skip' | 'fail' | undefined;
}

type LeftOut = Pick<Skipped, 'path' | 'reason'>;

export type EvaluationReport = Evaluation & {
  readonly skipped: readonly LeftOut[];
};

const usualBatch = 16;

/** @throws GraftError INVALID_DATASET where the data set has classes the model does not know, or no example that can be used. */
export async function evaluateModel(options: EvaluateOptions, hooks: Hooks = {}): Promise<EvaluationReport> {
  const { logger = silentLogger, onProgress, signal } = hooks;
  const { batch: batchSize = usualBatch } = options;
  const predictor = await openPredictor(options.model, {
    device: options.device ?? 'auto',
    ...(options.threads && { threads: options.threads }),
  });
  try {
    const { labels: classes, task } = predictor.metadata;
    const dataset = await readDataset(
      options.data,
      { ...options, task, fewestClasses: 1, ...(task === 'ordered' && { order: classes }) },
      logger,
    );
    const { examples: all } = dataset;
    const examples = options.split ? all.choose(all.rowsWhere(({ split }) => split === options.split)) : all;
    if (examples.length === 0) {
      throw new GraftError(
        'INVALID_DATASET',
        `${options.data} has no examples in its part ${options.split}.`,
      );
    }
    assertSameKind(dataset, predictor.metadata.input, options.data);
    const expected = expectedOutputs(examples, dataset, classes, options.model);
    const outputs = new Float32Array(examples.length * classes.length);
    /** Of `examples`, those that were read. */
    const evaluated: number[] = [];
    const skipped: LeftOut[] = [];
    for (let start = 0; start < examples.length; start += batchSize) {
      if (signal?.aborted)
        throw new GraftError('INTERRUPTED', `Stopped after ${start} of ${examples.length} examples.`);
      const size = Math.min(batchSize, examples.length - start);
      const batch = Array.from({ length: size }, (_, i) => start + i);
      for (const group of [batch, ...batch.map((row) => [row])]) {
        try {
          const rows = await predictor.predict(
            await Promise.all(group.map(async (row) => (await readSource(examples.at(row))).bytes)),
          );
          assertFinite(rows);
          outputs.set(rows, evaluated.length * classes.length);
          evaluated.push(...group);
          if (group === batch) break;
        } catch (error) {
          // The whole batch failed for one example: the loop goes on one by one, and only that one is left out.
          if (group === batch) continue;
          if (options.onError === 'fail') throw error;
          skipped.push({ path: examples.at(group[0]!).path, reason: messageOf(error) });
        }
      }
      onProgress?.({ done: start + batch.length, total: examples.length });
    }
    if (evaluated.length === 0) {
      const [{ path, reason }] = skipped as [LeftOut, ...LeftOut[]];
      throw new GraftError(
        'INVALID_DATASET',
        `None of the ${skipped.length} examples of ${options.data} can be measured on; the first one is ${path}: ${reason}`,
      );
    }
    if (evaluated.length === 0) {
      const { path, reason } = skipped[0]!;
      throw new GraftError(
        'INVALID_DATASET',
        `None of the ${examples.length} examples of ${options.data} can be used, the first one, ${path}, as: ${reason}`,
      );
    }
    const found = outputs.subarray(0, evaluated.length * classes.length);
    const labels = evaluated.map((row) => expected.labels[row]!);
    const targets = expected.targets && rowsOf(expected.targets, evaluated, classes.length);
    return { ...evaluateOutputs({ task, outputs: found, classes, labels, targets }), skipped };
  } finally {
    await predictor.release();
  }
}

function rowsOf(table: Float32Array, rows: readonly number[], columns: number): Float32Array {
  const picked = new Float32Array(rows.length * columns);
  rows.forEach((row, i) => picked.set(table.subarray(row * columns, (row + 1) * columns), i * columns));
  return picked;
}
