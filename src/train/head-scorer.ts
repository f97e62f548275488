/** A head's forward pass with weights that are given on each call. */
import { type HeadShape, type HeadSpec, headKind } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { trainingOpset } from './gradient-graph.js';

export interface HeadScorer {
  /**
   * @param features - [rows, dim]
   * @returns the logits, [rows, columns of the last layer]
   */
  logits(features: Float32Array, parameters: ReadonlyMap<string, Tensor>): Promise<Float32Array>;
  release(): Promise<void>;
}

export async function openHeadScorer(
  spec: HeadSpec,
  shape: HeadShape,
  threads?: number,
): Promise<HeadScorer> {
  const { dim } = shape;
  const builder = new GraphBuilder({ opset: trainingOpset });
  const features = builder.input('features', 'float32', ['batch', dim]);
  const kind = headKind(spec);
  const names = new Map<string, string>();
  for (const [name, dims] of kind.parameters(shape)) {
    names.set(name, builder.input(name, 'float32', [...dims.slice(0, -1), `${name}/columns`]));
  }
  const logits = kind.append(builder, features, names);
  builder.output(logits, 'float32', ['batch', 'columns']);
  const session = await openSession(encodeModel(builder.model()), threads === undefined ? {} : { threads });
  return {
    async logits(x, parameters) {
      const feeds = { [features]: float32([x.length / dim, dim], x), ...Object.fromEntries(parameters) };
      return (await session.run(feeds))[logits]!.data as Float32Array;
    },
    release: () => session.release(),
  };
}
