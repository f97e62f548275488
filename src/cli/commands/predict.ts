import { isUtf8 } from 'node:buffer';
import { GraftError } from '../../errors.js';
import type { Hooks } from '../../pipeline/cache-features.js';
import type { PredictFeaturesOptions } from '../../pipeline/predict-features.js';
import type { Prediction } from '../../pipeline/describe-prediction.js';
import type { PredictOptions } from '../../pipeline/predict-inputs.js';
import { defineCommand } from '../define-command.js';
import { positiveInteger } from '../numeric-options.js';
import { refuseBesideFeatures } from '../refuse-beside-features.js';
import { unmarkDashes } from '../standard-input.js';
import {
  dataOptions,
  deviceOptions,
  exampleBatchOption,
  featuresOption,
  modelOption,
  onErrorOption,
} from '../shared-options.js';

const options = {
  ...modelOption,
  features: {
    ...featuresOption.features,
    describe: 'Rows of features made elsewhere, a .safetensors file, in place of inputs: for a head alone',
  },
  top: {
    ...positiveInteger('top'),
    describe: 'Also list the K likeliest labels of each input [default: the label]',
  },
  'image-column': dataOptions['image-column'],
  'image-root': dataOptions['image-root'],
  'text-column': dataOptions['text-column'],
  header: dataOptions.header,
  ...exampleBatchOption,
  ...onErrorOption,
  ...deviceOptions,
} as const;

export const predictCommand = defineCommand<typeof options, { inputs?: string[] }>({
  command: 'predict [inputs..]',
  describe: 'Label images, texts, folders, tables or archives of them',
  options,
  positionals: {
    inputs: {
      type: 'string',
      array: true,
      describe:
        'Images, texts (quoted, or .txt files; of pairs one after the other), folders, tables (CSV, TSV, JSONL, JSON), tar, zip or Parquet files (also a-{0..9}.tar); - reads lines: paths, texts, or pairs with a tab between',
    },
  },
  example: [
    'predict --model model.onnx photo.jpg',
    'the label (of texts: "where is my card?", or - for lines)',
  ],
  async run(args, output, isGiven) {
    const { features } = args;
    const inputs = (args.inputs ?? []).map(unmarkDashes);
    if (features !== undefined && inputs.length > 0)
      throw new GraftError('USAGE', '--features stands in place of inputs; give one of them.');
    if (features !== undefined) refuseBesideFeatures(isGiven, Object.keys(exampleBatchOption));
    if (features === undefined && inputs.length === 0)
      throw new GraftError(
        'USAGE',
        'Missing: what to predict, a path or a text (or --features in its place).',
      );
    const onProgress = await output.progress('inputs', 'examples');
    const hooks = { ...output, onProgress };
    const predictions =
      features === undefined
        ? await onInputs({ ...args, inputs, readLines: () => readLines(output.signal) }, hooks)
        : await onFeatures({ ...args, features }, hooks);
    const { describePredictions } = await import('../describe-predictions.js');
    output.result(predictions, describePredictions(predictions));
  },
});

async function onInputs(args: PredictOptions, hooks: Hooks): Promise<Prediction[]> {
  const { predictInputs } = await import('../../pipeline/predict-inputs.js');
  return predictInputs(args, hooks);
}

async function onFeatures(args: PredictFeaturesOptions, hooks: Hooks): Promise<Prediction[]> {
  const { predictFeatures } = await import('../../pipeline/predict-features.js');
  return predictFeatures(args, hooks);
}

/**
 * Of stdin, without empty ones.
 * @param signal - ends the wait for them
 * @throws GraftError INTERRUPTED; INVALID_TEXT for a line that is not UTF-8, as of any other text
 */
async function readLines(signal: AbortSignal): Promise<string[]> {
  const { addAbortSignal } = await import('node:stream');
  const { buffer } = await import('node:stream/consumers');
  const bytes = await buffer(addAbortSignal(signal, process.stdin)).catch((error: unknown) => {
    throw signal.aborted
      ? new GraftError('INTERRUPTED', 'Stopped while the standard input was read; nothing was labelled.')
      : error;
  });
  const lines = bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split(/\r?\n/);
  if (!isUtf8(bytes)) {
    const at = lines.findIndex((line) => line.includes('\ufffd'));
    throw new GraftError(
      'INVALID_TEXT',
      `Line ${at + 1} of the standard input is not UTF-8 text; save it as UTF-8.`,
    );
  }
  return lines.filter((line) => line.trim() !== '');
}
