/** What an exported file should give: the backbone and the trained head as two models, one example at a time. */
import { appendHeadOutputs } from '../heads/build-head.js';
import type { TrainedHead } from '../heads/head.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import { layOutModel } from '../onnx/lay-out-model.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import type { Session } from '../runtime/session.js';
import { taskOf } from '../tasks/task-of.js';
import type { Tensor } from '../tensor/tensor.js';

/** What is compared, by the names of the merged file's outputs. */
export type Outputs = ReadonlyMap<string, Float32Array>;

/** From the encoded bytes, or from a path. */
export type Open = (model: Uint8Array | string) => Promise<Session>;

export interface ReferenceInput {
  readonly features: Model;
  readonly featuresOutput: string;
  readonly head: TrainedHead;
  /** What both files are run on: real examples, or where there are none any numbers. */
  readonly examples: EncodedExamples;
}

/** @param open - opens the backbone; the head runs on the CPU */
export async function referenceOutputs(
  { features, featuresOutput, head, examples }: ReferenceInput,
  open: Open,
): Promise<Outputs> {
  const reference = await openReference(head);
  try {
    return await reference.run(await rowsOf(features, featuresOutput, examples, open));
  } finally {
    await reference.release();
  }
}

/** Each example's features, float32 [1, dim]. */
async function rowsOf(
  features: Model,
  featuresOutput: string,
  examples: EncodedExamples,
  open: Open,
): Promise<Tensor[]> {
  const layout = await layOutModel(features);
  const backbone = await open(layout.source).finally(() => layout.release());
  try {
    const rows: Tensor[] = [];
    for (let place = 0; place < examples.count; place++)
      rows.push((await backbone.run(examples.feeds(place, place + 1)))[featuresOutput]!);
    return rows;
  } finally {
    await backbone.release();
  }
}

/** The trained head as a model of its own. */
export async function openReference(
  head: TrainedHead,
): Promise<{ run(rows: Iterable<Tensor>): Promise<Outputs>; release(): Promise<void> }> {
  const { outputNames } = taskOf(head.task);
  const builder = new GraphBuilder();
  const x = builder.input('features', 'float32', ['batch', head.dim]);
  const { logits, outputs } = appendHeadOutputs(builder, x, head);
  const values = new Map([[outputNames.outputs, outputs]]);
  if (outputNames.logits) values.set(outputNames.logits, logits);
  for (const value of values.values()) builder.output(value, 'float32', ['batch', head.classes.length]);
  const session = await openSession(encodeModel(builder.model()));
  return {
    async run(inputs) {
      const rows = new Map([...values.keys()].map((name) => [name, [] as Float32Array[]]));
      for (const features of inputs) {
        const scored = await session.run({ [x]: features });
        for (const [name, value] of values) rows.get(name)!.push(scored[value]!.data as Float32Array);
      }
      return new Map([...rows].map(([name, parts]) => [name, concatenate(parts)]));
    },
    release: () => session.release(),
  };
}

export function concatenate(rows: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(rows.reduce((length, row) => length + row.length, 0));
  let at = 0;
  for (const row of rows) {
    joined.set(row, at);
    at += row.length;
  }
  return joined;
}
