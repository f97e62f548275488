/** Merges the frozen backbone and the trained head into one graph: image in, logits and probabilities out. */
import { appendHead, type TrainedHead } from '../heads/head.js';
import { type ModelMetadata, writeMetadata } from '../models/model-metadata.js';
import { subgraphs } from '../onnx/attributes.js';
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
  const { graph } = features;
  const builder = new GraphBuilder({
    opset: features.opsets.get('') ?? 17,
    taken: valueNames(features),
  });
  const classCount = metadata.labels.length;
  const logits = appendHead(builder, featuresOutput, head);
  // On [batch, classes] the axis 1 means the same before and after opset 13 changed Softmax.
  const probabilities = builder.op('Softmax', [logits], { name: 'head/softmax', attributes: { axis: 1 } });
  builder.output(logits, 'float32', ['batch', classCount], 'logits');
  builder.output(probabilities, 'float32', ['batch', classCount], 'probabilities');
  return {
    ...features,
    producerName: 'onnx-graft',
    metadata: new Map([...features.metadata, ...writeMetadata(metadata)]),
    graph: {
      ...graph,
      nodes: [...graph.nodes, ...builder.nodes],
      outputs: builder.outputs,
      initializers: new Map([...graph.initializers, ...builder.initializers]),
      valueInfo: new Map([...graph.valueInfo].filter(([name]) => name !== featuresOutput)),
    },
  };
}

/** Every name the model uses, so that no new one clashes; subgraphs included. */
function valueNames(model: Model): Set<string> {
  const names = new Set<string>();
  const visit = (graph: Model['graph']): void => {
    for (const { name } of [...graph.inputs, ...graph.outputs]) names.add(name);
    for (const name of graph.initializers.keys()) names.add(name);
    for (const node of graph.nodes) {
      names.add(node.name);
      for (const name of [...node.inputs, ...node.outputs]) names.add(name);
      for (const body of subgraphs(node)) visit(body);
    }
  };
  visit(model.graph);
  return names;
}
