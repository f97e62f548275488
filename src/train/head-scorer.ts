/** A head's forward pass with weights that are given on each call. */
import { buildHead } from '../heads/build-head.js';
import type { HeadShape, HeadSpec } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import { taskOf } from '../tasks/task-of.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { blocksOf, rowsFor } from './feature-blocks.js';
import type { AnyFeatureSet } from './feature-set.js';
import { trainingOpset } from './gradient-graph.js';
import { replicatedDims } from './parameter-layout.js';

type Scored = Pick<AnyFeatureSet, 'features' | 'dim' | 'rows'>;

export interface OutputBlock {
  /** Rows of the set. */
  readonly rows: Int32Array;
  /** [rows.length, replicas, outputs] */
  readonly outputs: Float32Array;
}

export interface HeadScorer {
  /**
   * What the task gives out (probabilities, or numbers) for every row.
   * @param parameters - as trained; of several replicas, side by side in the last axis
   * @returns [rows, replicas, outputs]
   */
  outputs(set: Scored, parameters: ReadonlyMap<string, Tensor>): Promise<Float32Array>;
  /** The same, block by block, so that not all of it is in memory at once. */
  blocks(set: Scored, parameters: ReadonlyMap<string, Tensor>): AsyncGenerator<OutputBlock>;
  release(): Promise<void>;
}

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
    names.set(name, builder.input(name, 'float32', replicatedDims(dims)));
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
  async function* blocks(set: Scored, parameters: ReadonlyMap<string, Tensor>): AsyncGenerator<OutputBlock> {
    const weights = Object.fromEntries(parameters);
    for await (const { from, to, values } of blocksOf(set, rowsFor(outputCount))()) {
      const chunk = float32([to - from, dim], values);
      const { data } = (await session.run({ [features]: chunk, ...weights }))[outputs]!;
      const rows = Int32Array.from({ length: to - from }, (_, i) => from + i);
      yield { rows, outputs: data as Float32Array };
    }
  }
  return {
    async outputs(set, parameters) {
      let scored: Float32Array | undefined;
      for await (const { rows, outputs: found } of blocks(set, parameters)) {
        const perRow = found.length / rows.length;
        scored ??= new Float32Array(set.rows * perRow);
        scored.set(found, rows[0]! * perRow);
      }
      return scored ?? new Float32Array();
    },
    blocks,
    release: () => session.release(),
  };
}
