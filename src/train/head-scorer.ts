/** A head's forward pass with weights that are given on each call. */
import { buildHead } from '../heads/build-head.js';
import type { HeadShape, HeadSpec } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import { taskOf } from '../tasks/task-of.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { trainingOpset } from './gradient-graph.js';

export interface HeadScorer {
  /**
   * What the task gives out (probabilities, or numbers) for every row.
   * @param features - [rows, dim]
   * @param parameters - as trained; of several replicas, side by side in the last axis
   * @returns [rows, replicas, outputs]
   */
  outputs(features: Float32Array, parameters: ReadonlyMap<string, Tensor>): Promise<Float32Array>;
  release(): Promise<void>;
}

/** Rows a run: bounds the memory of hidden layers and logits. */
const chunkRows = 8192;

export async function openHeadScorer(
  spec: HeadSpec,
  shape: HeadShape,
  threads?: number,
): Promise<HeadScorer> {
  const { dim, outputCount } = shape;
  const builder = new GraphBuilder({ opset: trainingOpset });
  const features = builder.input('features', 'float32', ['batch', dim]);
  const head = buildHead(spec, shape);
  const task = taskOf(shape.task);
  const names = new Map<string, string>();
  for (const [name, dims] of head.parameters) {
    names.set(name, builder.input(name, 'float32', [...dims.slice(0, -1), `${name}/columns`]));
  }
  const width = task.readout(outputCount).logits;
  const logits = builder.op('Reshape', [head.append(builder, features, names), builder.ints([0, -1, width])]);
  const outputs = builder.output(
    task.appendOutputs(builder, logits, 3, outputCount),
    'float32',
    ['batch', 'replicas', outputCount],
    'outputs',
  );
  const session = await openSession(encodeModel(builder.model()), threads === undefined ? {} : { threads });
  return {
    async outputs(x, parameters) {
      const rows = x.length / dim;
      const weights = Object.fromEntries(parameters);
      let scored: Float32Array | undefined;
      for (let row = 0; row < rows; row += chunkRows) {
        const end = Math.min(rows, row + chunkRows);
        const chunk = float32([end - row, dim], x.subarray(row * dim, end * dim));
        const { data } = (await session.run({ [features]: chunk, ...weights }))[outputs]!;
        const perRow = data.length / (end - row);
        scored ??= new Float32Array(rows * perRow);
        scored.set(data as Float32Array, row * perRow);
      }
      return scored ?? new Float32Array();
    },
    release: () => session.release(),
  };
}
