/** What a trained head says about examples, as the exported model will. */
import { appendHeadOutputs } from '../heads/build-head.js';
import type { TrainedHead } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import { taskOf } from '../tasks/task-of.js';
import { float32 } from '../tensor/tensor.js';
import { blocksOf, rowsFor } from './feature-blocks.js';
import type { AnyFeatureSet } from './feature-set.js';
import { trainingOpset } from './gradient-graph.js';

export interface HeadOutputs {
  /** [rows, logits]; before the temperature, where there is one. */
  readonly logits: Float32Array;
  /** [rows, classes] */
  readonly outputs: Float32Array;
}

/** @param set - of raw features */
export async function scoreHead(
  head: TrainedHead,
  set: Pick<AnyFeatureSet, 'features' | 'dim' | 'rows'>,
  threads?: number,
): Promise<HeadOutputs> {
  const { dim, classes } = head;
  const builder = new GraphBuilder({ opset: trainingOpset });
  const x = builder.input('features', 'float32', ['batch', dim]);
  const values = appendHeadOutputs(builder, x, head);
  const width = taskOf(head.task).readout(classes.length).logits;
  builder.output(values.logits, 'float32', ['batch', width]);
  builder.output(values.outputs, 'float32', ['batch', classes.length]);
  const session = await openSession(encodeModel(builder.model()), threads === undefined ? {} : { threads });
  try {
    const { rows } = set;
    const logits = new Float32Array(rows * width);
    const outputs = new Float32Array(rows * classes.length);
    for await (const block of blocksOf(set, rowsFor(classes.length))()) {
      const { from, to } = block;
      const found = await session.run({ [x]: float32([to - from, dim], block.values) });
      logits.set(found[values.logits]!.data as Float32Array, from * width);
      outputs.set(found[values.outputs]!.data as Float32Array, from * classes.length);
    }
    return { logits, outputs };
  } finally {
    await session.release();
  }
}
