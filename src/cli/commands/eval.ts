import { GraftError } from '../../errors.js';
import type { Hooks } from '../../pipeline/cache-features.js';
import type { EvaluateFeaturesOptions } from '../../pipeline/evaluate-features.js';
import type { EvaluateOptions, EvaluationReport } from '../../pipeline/evaluate-model.js';
import { defineCommand } from '../define-command.js';
import { refuseBesideFeatures } from '../refuse-beside-features.js';
import {
  dataOptions,
  deviceOptions,
  exampleBatchOption,
  featuresOption,
  modelOption,
  onErrorOption,
} from '../shared-options.js';

export const evalCommand = defineCommand({
  command: 'eval',
  describe: 'Measure an exported file on a labelled data set',
  options: {
    ...modelOption,
    ...dataOptions,
    // Not demanded by itself: --features may stand in its place.
    data: { ...dataOptions.data, demandOption: false },
    features: {
      ...featuresOption.features,
      describe: 'Features made elsewhere and their labels, in place of --data: for a head alone',
    },
    split: { choices: ['train', 'validation', 'test'], describe: 'Only this part of the data set' },
    ...exampleBatchOption,
    ...onErrorOption,
    ...deviceOptions,
  } as const,
  example: ['eval --model model.onnx --data photos/test', 'accuracy, F1, calibration'],
  async run(args, output, isGiven) {
    const { features } = args;
    if (features !== undefined) refuseBesideFeatures(isGiven, Object.keys(exampleBatchOption));
    const evaluate =
      features === undefined ? await onExamples(args) : await onFeatures({ ...args, features });
    const onProgress = await output.progress('examples', 'examples');
    const report = await evaluate({ ...output, onProgress });
    const { describeEvaluation } = await import('../describe-evaluation.js');
    output.result(report, describeEvaluation(report));
  },
});

type Evaluate = (hooks: Hooks) => Promise<EvaluationReport>;

async function onExamples(
  args: Omit<EvaluateOptions, 'data'> & { readonly data?: string | undefined },
): Promise<Evaluate> {
  const { data } = args;
  if (data === undefined) throw new GraftError('USAGE', 'Missing: --data (or --features in its place).');
  const { evaluateModel } = await import('../../pipeline/evaluate-model.js');
  return (hooks) => evaluateModel({ ...args, data }, hooks);
}

async function onFeatures(args: EvaluateFeaturesOptions): Promise<Evaluate> {
  const { evaluateFeatures } = await import('../../pipeline/evaluate-features.js');
  return (hooks) => evaluateFeatures(args, hooks);
}
