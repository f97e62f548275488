/** `graft eval`: metrics of an exported file on a labelled data set. */
import { groupRows } from '../dataset/group-rows.js';
import { type DataOptions, readDataset } from '../dataset/read-dataset.js';
import { GraftError, isInterruption } from '../errors.js';
import type { Skipped } from '../features/collect-rows.js';
import { silentLogger } from '../logger.js';
import { type Evaluation, evaluateOutputs } from '../metrics/evaluation.js';
import type { TaskKind } from '../tasks/task.js';
import { type AskOptions, contentOf, openExported } from './ask-model.js';
import { assertSameKind } from './assert-same-kind.js';
import { hintOfMissing } from './assert-some-usable.js';
import { expectedOutputs } from './expected-outputs.js';
import type { Hooks } from './cache-features.js';
import { sayCut } from './say-cut.js';

export interface EvaluateOptions extends DataOptions, AskOptions {
  readonly model: string;
  readonly data: string;
  /** Evaluate only this part, where the data set has parts. */
  readonly split?: 'train' | 'validation' | 'test' | undefined;
  readonly onError?: 'skip' | 'fail' | undefined;
}

type LeftOut = Pick<Skipped, 'path' | 'reason'>;

export type EvaluationReport = Evaluation & {
  readonly skipped: readonly LeftOut[];
};

/** @throws GraftError INVALID_DATASET where the data set has classes the model does not know, or no example that can be used. */
export async function evaluateModel(options: EvaluateOptions, hooks: Hooks = {}): Promise<EvaluationReport> {
  const { logger = silentLogger, onProgress, signal } = hooks;
  const { metadata, ask } = await openExported(options.model, options);
  const { labels: classes, task } = metadata;
  assertSameTask(options, task);
  const dataset = await readDataset(
    options.data,
    // Classes find their places by their names; the order is the model's.
    {
      ...options,
      fewestClasses: 1,
      ...(task === 'ordered' ? { task: 'single', order: undefined } : { task }),
    },
    logger,
  );
  const { examples: all } = dataset;
  const examples = options.split ? all.choose(all.rowsWhere(({ split }) => split === options.split)) : all;
  if (examples.length === 0) {
    throw new GraftError('INVALID_DATASET', `${options.data} has no examples in its part ${options.split}.`);
  }
  assertSameKind(dataset, metadata.input, options.data);
  const expected = expectedOutputs(examples, dataset, classes, options.model);
  const outputs = new Float32Array(examples.length * classes.length);
  /** Of `examples`, those that were read. */
  const evaluated: number[] = [];
  const skipped: LeftOut[] = [];
  let done = 0;
  let cut = 0;
  for await (const outcomes of ask(
    examples.length,
    (row) => contentOf(examples.at(row), signal),
    () => cut++,
  )) {
    for (const outcome of outcomes) {
      const row = done++;
      if (!(outcome instanceof GraftError)) {
        outputs.set(outcome, evaluated.length * classes.length);
        evaluated.push(row);
        continue;
      }
      if (isInterruption(outcome)) throw stoppedAfter(row, examples.length);
      const { path } = examples.at(row);
      if (options.onError === 'fail')
        throw new GraftError(outcome.code, `Cannot measure on ${path}: ${outcome.message}`, {
          cause: outcome,
        });
      skipped.push({ path, reason: outcome.message });
    }
    onProgress?.({ done, total: examples.length });
    if (signal?.aborted && done < examples.length) throw stoppedAfter(done, examples.length);
  }
  if (evaluated.length === 0) {
    const [{ path, reason }] = skipped as [LeftOut, ...LeftOut[]];
    throw new GraftError(
      'INVALID_DATASET',
      `None of the ${skipped.length} examples of ${options.data} can be measured on; the first one is ${path}: ${reason}${hintOfMissing({ path, reason })}`,
    );
  }
  sayCut(cut, examples.length, metadata.input, logger);
  const found = outputs.subarray(0, evaluated.length * classes.length);
  const labels = evaluated.map((row) => expected.labels[row]!);
  const targets = expected.targets && rowsOf(expected.targets, evaluated, classes.length);
  const groups = groupRows(evaluated, (row) => examples.at(row).group, []);
  return { ...evaluateOutputs({ task, outputs: found, classes, labels, targets, groups }), skipped };
}

function stoppedAfter(done: number, total: number): GraftError {
  return new GraftError('INTERRUPTED', `Stopped after ${done} of ${total} examples.`);
}

/** @throws GraftError USAGE where it was asked to measure as something else than the model predicts. */
export function assertSameTask(
  { task: asked, model }: Pick<EvaluateOptions, 'task' | 'model'>,
  task: TaskKind,
): void {
  if (asked === undefined || asked === task) return;
  throw new GraftError(
    'USAGE',
    `${model} was trained with --task ${task} and is measured so; leave --task ${asked} away.`,
  );
}

function rowsOf(table: Float32Array, rows: readonly number[], columns: number): Float32Array {
  const picked = new Float32Array(rows.length * columns);
  rows.forEach((row, i) => picked.set(table.subarray(row * columns, (row + 1) * columns), i * columns));
  return picked;
}
