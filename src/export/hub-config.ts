/** `config.json` of a folder that transformers.js and Optimum load. */
import type { ModelPrecision } from '../models/model-precision.js';
import type { TaskKind } from '../tasks/task.js';

/** Names of the files in `onnx/`, by transformers.js' word for what they compute in; what comes first is what is loaded where nobody asks. */
export const hubPrecisions: Readonly<
  Record<ModelPrecision, { readonly dtype: string; readonly file: string }>
> = {
  float32: { dtype: 'fp32', file: 'model.onnx' },
  float16: { dtype: 'fp16', file: 'model_fp16.onnx' },
  'float16-weights': { dtype: 'fp16', file: 'model_fp16.onnx' },
  int8: { dtype: 'q8', file: 'model_quantized.onnx' },
  'int8-dynamic': { dtype: 'q8', file: 'model_quantized.onnx' },
};

/** Any would do, as the file holds the whole graph: the libraries look up by it what the model takes and gives. */
const architectures = {
  pixels: ['resnet', 'ResNetForImageClassification'],
  sentences: ['bert', 'BertForSequenceClassification'],
  tokens: ['distilbert', 'DistilBertForSequenceClassification'],
} as const;

const problemTypes: Readonly<Record<TaskKind, string>> = {
  single: 'single_label_classification',
  ordered: 'single_label_classification',
  multi: 'multi_label_classification',
  regression: 'regression',
};

export interface HubConfigInput {
  readonly kind: keyof typeof architectures;
  readonly labels: readonly string[];
  readonly task: TaskKind;
  /** Files in `onnx/`. */
  readonly files: readonly string[];
  readonly graft: HubOrigin;
}

export interface HubOrigin {
  readonly version: string;
  /** The same for all files of one run. */
  readonly run: string;
}

export function hubConfig({ kind, labels, task, files, graft }: HubConfigInput): object {
  const [modelType, architecture] = architectures[kind];
  const preferred = Object.values(hubPrecisions).find(({ file }) => files.includes(file));
  const withSideFile = files.filter((file) => files.includes(`${file}_data`));
  return {
    model_type: modelType,
    architectures: [architecture],
    num_labels: labels.length,
    id2label: Object.fromEntries(labels.map((label, i) => [i, label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    problem_type: problemTypes[task],
    'transformers.js_config': {
      // In a browser transformers.js would look for 8 bits otherwise, whether they are there or not.
      ...(preferred && { dtype: preferred.dtype }),
      ...(withSideFile.length > 0 && {
        use_external_data_format: Object.fromEntries(withSideFile.map((file) => [file, 1])),
      }),
    },
    graft,
  };
}
