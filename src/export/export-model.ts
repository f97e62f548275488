/** Merges the frozen backbone and the trained head into one graph: image or tokens in, what the task gives out. */
import { mergeModels } from '../graph/merge-models.js';
import { appendHeadOutputs } from '../heads/build-head.js';
import type { TrainedHead } from '../heads/head.js';
import { type ModelMetadata, writeHeadMetadata, writeMetadata } from '../models/model-metadata.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import { taskOf } from '../tasks/task-of.js';
import { packageVersion } from '../version.js';

export interface ExportInput {
  /** image [batch, …] or tokens [batch, T] → features [batch, dim] float32. */
  readonly features: Model;
  readonly featuresOutput: string;
  readonly head: TrainedHead;
  readonly metadata: ModelMetadata;
  /** What prepares pixels, whose output the features are made of. */
  readonly front?: { readonly model: Model; readonly output: string; readonly input: string } | undefined;
  /**
   * Also gives `logits` for tasks that have none: of ordered classes the logarithms of the probabilities, of which the softmax is the
   * probabilities again, and of numbers these themselves.
   */
  readonly alwaysLogits?: boolean;
}

/**
 * The merged model. Its outputs are float32 [batch, classes]: `logits` and `probabilities`, or for ordered classes
 * `probabilities`, or for numbers `values`. The standardisation is folded into the head's weights.
 */
export function exportModel({
  features: prepared,
  featuresOutput,
  head,
  metadata,
  front,
  alwaysLogits,
}: ExportInput): Model {
  const features = front
    ? mergeModels(front.model, prepared, { connect: { [front.output]: front.input } })
    : prepared;
  const x = 'head/features';
  const opset = features.opsets.get('') ?? 17;
  const headModel = buildHeadModel(head, x, { opset, metadata: writeMetadata(metadata), alwaysLogits });
  const merged = mergeModels(features, headModel, { connect: { [featuresOutput]: x } });
  return {
    ...merged,
    producerVersion: packageVersion(),
    graph: { ...merged.graph, name: features.graph.name },
  };
}

/** A head alone, for features that come from elsewhere: `features` [batch, dim] in, the outputs of `exportModel` out. */
export function exportHead(head: TrainedHead): Model {
  const metadata = writeHeadMetadata({ labels: head.classes, task: head.task });
  const model = buildHeadModel(head, 'features', { opset: 17, metadata });
  return { ...model, producerVersion: packageVersion() };
}

interface HeadModelOptions {
  readonly opset: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly alwaysLogits?: boolean | undefined;
}

function buildHeadModel(
  head: TrainedHead,
  input: string,
  { opset, metadata, alwaysLogits = false }: HeadModelOptions,
): Model {
  const builder = new GraphBuilder({ opset });
  const outputCount = head.classes.length;
  const x = builder.input(input, 'float32', ['batch', head.dim]);
  const { logits, outputs } = appendHeadOutputs(builder, x, head);
  const { outputNames } = taskOf(head.task);
  const put = (value: string, name: string) => builder.output(value, 'float32', ['batch', outputCount], name);
  if (outputNames.logits) put(logits, outputNames.logits);
  put(outputs, outputNames.outputs);
  if (alwaysLogits && !outputNames.logits)
    put(head.task === 'ordered' ? builder.op('Log', [outputs]) : outputs, 'logits');
  return builder.model({ metadata });
}
