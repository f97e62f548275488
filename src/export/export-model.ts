/** Merges the frozen backbone and the trained head into one graph: image in, logits and probabilities out. */
import { mergeModels } from '../graph/merge-models.js';
import { appendHead, type TrainedHead } from '../heads/head.js';
import { type ModelMetadata, writeMetadata } from '../models/model-metadata.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';

export interface ExportInput {
  /** image [batch, …] → features [batch, dim] float32. */
  readonly features: Model;
  readonly featuresOutput: string;
  readonly head: TrainedHead;
  readonly metadata: ModelMetadata;
}

/**
 * The merged model. Its outputs are `logits` and `probabilities`, both [batch, classes] float32; the
 * standardisation is folded into the head's weights.
 */
export function exportModel({ features, featuresOutput, head, metadata }: ExportInput): Model {
  const builder = new GraphBuilder({ opset: features.opsets.get('') ?? 17 });
  const classCount = metadata.labels.length;
  const x = builder.input('head/features', 'float32', ['batch', head.dim]);
  const logits = appendHead(builder, x, head);
  // On [batch, classes] the axis 1 means the same before and after opset 13 changed Softmax.
  const probabilities = builder.op('Softmax', [logits], { name: 'head/softmax', attributes: { axis: 1 } });
  builder.output(logits, 'float32', ['batch', classCount], 'logits');
  builder.output(probabilities, 'float32', ['batch', classCount], 'probabilities');
  const headModel = builder.model({ metadata: writeMetadata(metadata) });
  const merged = mergeModels(features, headModel, { connect: { [featuresOutput]: x } });
  return { ...merged, graph: { ...merged.graph, name: features.graph.name } };
}
