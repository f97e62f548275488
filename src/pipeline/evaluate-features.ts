/** `graft eval --features`: metrics of a head alone on labelled features that were made elsewhere. */
import { GraftError } from '../errors.js';
import { evaluateOutputs } from '../metrics/evaluation.js';
import { openFeaturePredictor } from '../predict/feature-predictor.js';
import { selectTargets } from '../tasks/targets.js';
import { checkOptions } from './check-options.js';
import type { Hooks } from './cache-features.js';
import { assertSameTask, type EvaluateOptions, type EvaluationReport } from './evaluate-model.js';
import { placeOutputs } from './expected-outputs.js';
import { type FeatureTable, openFeatureTable } from './feature-table.js';
import { predictRows } from './predict-rows.js';

export interface EvaluateFeaturesOptions extends Pick<
  EvaluateOptions,
  'model' | 'split' | 'task' | 'device' | 'threads'
> {
  /** A safetensors file with features and labels, as for training on it. */
  readonly features: string;
}

/** @throws GraftError INVALID_DATASET where the features or the classes are not those that the head knows. */
export async function evaluateFeatures(
  options: EvaluateFeaturesOptions,
  hooks: Hooks = {},
): Promise<EvaluationReport> {
  checkOptions(options, ['model', 'features']);
  const predictor = await openFeaturePredictor(options.model, {
    device: options.device ?? 'auto',
    ...(options.threads && { threads: options.threads }),
  });
  try {
    const { labels: classes, task } = predictor.metadata;
    assertSameTask(options, task);
    const table = await openFeatureTable(options.features, { task, fewest: 1 });
    try {
      const rows = rowsOfPart(table, options.split);
      const chosen = selectTargets(table.targets, rows);
      const { labels, targets } = placeOutputs(chosen, classes, {
        ...{ task, data: table.path, model: options.model },
      });
      const outputs = await predictRows(predictor, table, rows, options.model, hooks);
      const groups = table.groups && rows.map((row) => table.groups![row]!);
      return { ...evaluateOutputs({ task, outputs, classes, labels, targets, groups }), skipped: [] };
    } finally {
      await table.close();
    }
  } finally {
    await predictor.release();
  }
}

const parts = ['train', 'validation', 'test'] as const;

/** All rows where no part is named. */
function rowsOfPart({ rows, split, path }: FeatureTable, part: EvaluateOptions['split']): Int32Array {
  const all = Int32Array.from({ length: rows }, (_, row) => row);
  if (part === undefined) return all;
  if (!split) {
    throw new GraftError(
      'INVALID_DATASET',
      `${path} has no tensor split, which says what part a row is in; leave --split away to measure on all rows.`,
    );
  }
  const chosen = all.filter((row) => split[row] === parts.indexOf(part));
  if (chosen.length === 0)
    throw new GraftError('INVALID_DATASET', `${path} has no examples in its part ${part}.`);
  return chosen;
}
