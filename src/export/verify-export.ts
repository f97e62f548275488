/** Compares a merged file with what it was made of, on real examples and on every runtime at hand. */
import { GraftError } from '../errors.js';
import { appendHeadOutputs } from '../heads/build-head.js';
import type { TrainedHead } from '../heads/head.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import { openWebSession } from '../runtime/open-web-session.js';
import { providerStatus } from '../runtime/providers.js';
import type { Session, TensorMap } from '../runtime/session.js';
import { taskOf } from '../tasks/task-of.js';
import { float32, type Tensor } from '../tensor/tensor.js';

/** Largest difference that a float32 export may show. */
export const float32Tolerance = 1e-4;

export interface Verification {
  /** Largest |merged − reference| over all outputs, in units of max(1, |reference|). */
  readonly maxAbsDiff: number;
  readonly examples: number;
  readonly providers: readonly { readonly name: string; readonly maxAbsDiff: number }[];
}

export interface VerifyInput {
  /** The exported file's bytes. */
  readonly merged: Uint8Array;
  readonly features: Model;
  readonly featuresOutput: string;
  readonly head: TrainedHead;
  /** What the merged file is run on: real examples, or where there are none any numbers. */
  readonly examples: EncodedExamples;
  readonly tolerance?: number;
}

/**
 * The reference runs backbone and head as two models, one example at a time; the merged file runs the same ones
 * one at a time and in one batch, on onnxruntime-node's CPU, on CUDA where it runs, and on onnxruntime-web (wasm).
 * @throws GraftError VERIFICATION_FAILED above the tolerance, naming the provider and the difference.
 */
export async function verifyExport(input: VerifyInput): Promise<Verification> {
  const { merged, examples, tolerance } = input;
  const expected = await referenceOutputs(input);
  return compareOnProviders({ merged, examples, expected, tolerance });
}

export interface VerifyHeadInput {
  /** The exported file's bytes. */
  readonly merged: Uint8Array;
  readonly head: TrainedHead;
  /** [rows, dim] */
  readonly features: Tensor;
}

/** The same for a file that holds a head alone: the reference is the head as it was trained. */
export async function verifyHead({ merged, head, features }: VerifyHeadInput): Promise<Verification> {
  const reference = await openReference(head);
  try {
    const expected = await reference.run([features]);
    return await compareOnProviders({ merged, examples: featureRows(features), expected });
  } finally {
    await reference.release();
  }
}

interface Comparison {
  readonly merged: Uint8Array;
  readonly examples: EncodedExamples;
  readonly expected: Outputs;
  readonly tolerance?: number | undefined;
}

async function compareOnProviders({
  merged,
  examples,
  expected,
  tolerance = float32Tolerance,
}: Comparison): Promise<Verification> {
  const providers: { name: string; maxAbsDiff: number }[] = [];
  const check = async (name: string, session: Session): Promise<void> => {
    try {
      const batched = await runMerged(session, examples, examples.count, expected.keys());
      const single = await runMerged(session, examples, 1, expected.keys());
      const maxAbsDiff = Math.max(difference(batched, expected), difference(single, expected));
      providers.push({ name, maxAbsDiff });
    } finally {
      await session.release();
    }
  };
  await check('cpu', await openSession(merged));
  if ((await providerStatus('cuda')).available)
    await check('cuda', await openSession(merged, { device: 'cuda' }));
  await check('wasm', await openWebSession(merged));
  const worst = providers.reduce((a, b) => (b.maxAbsDiff > a.maxAbsDiff ? b : a));
  // Written so that NaN fails too.
  if (!(worst.maxAbsDiff <= tolerance)) {
    throw new GraftError(
      'VERIFICATION_FAILED',
      `The merged model differs from backbone and head by ${worst.maxAbsDiff.toExponential(2)} on ${worst.name}, ` +
        `over ${examples.count} examples; at most ${tolerance} was expected. Do not use this file.`,
    );
  }
  return { maxAbsDiff: worst.maxAbsDiff, examples: examples.count, providers };
}

/** [rows, dim] as what a head alone takes. */
function featureRows({ dims, data }: Tensor): EncodedExamples {
  const [count = 0, dim = 0] = dims;
  return {
    count,
    order: Array.from({ length: count }, (_, i) => i),
    together: (start, most) => Math.min(most, count - start),
    feeds: (start, end) => ({
      features: float32([end - start, dim], (data as Float32Array).subarray(start * dim, end * dim)),
    }),
  };
}

/** What is compared, by the names of the merged file's outputs. */
type Outputs = ReadonlyMap<string, Float32Array>;

async function referenceOutputs({ features, featuresOutput, head, examples }: VerifyInput): Promise<Outputs> {
  const backbone = await openSession(encodeModel(features));
  const reference = await openReference(head);
  try {
    const rows: Tensor[] = [];
    for (let place = 0; place < examples.count; place++)
      rows.push((await backbone.run(examples.feeds(place, place + 1)))[featuresOutput]!);
    return await reference.run(rows);
  } finally {
    await backbone.release();
    await reference.release();
  }
}

/** The trained head as a model of its own. */
async function openReference(
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

async function runMerged(
  session: Session,
  examples: EncodedExamples,
  batch: number,
  names: Iterable<string>,
): Promise<Outputs> {
  const rows = new Map([...names].map((name) => [name, [] as Float32Array[]]));
  for (let start = 0; start < examples.count;) {
    const end = start + examples.together(start, batch);
    const run = await session.run(feedsOf(session, examples.feeds(start, end)));
    for (const [name, parts] of rows) parts.push(outputOf(run, name));
    start = end;
  }
  return new Map([...rows].map(([name, parts]) => [name, concatenate(parts)]));
}

/** A file of another run may call its one input by another name: that its outputs differ is what it is told. */
function feedsOf({ inputNames }: Session, feeds: TensorMap): TensorMap {
  const [only, ...others] = Object.values(feeds);
  return only && others.length === 0 && inputNames.length === 1 ? { [inputNames[0]!]: only } : feeds;
}

function outputOf(run: TensorMap, name: string): Float32Array {
  const found = run[name];
  if (found) return found.data as Float32Array;
  throw new GraftError(
    'VERIFICATION_FAILED',
    `The merged model should have an output ${name} but has ${Object.keys(run).join(', ')}; it belongs to another run.`,
  );
}

function concatenate(rows: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(rows.reduce((length, row) => length + row.length, 0));
  let at = 0;
  for (const row of rows) {
    joined.set(row, at);
    at += row.length;
  }
  return joined;
}

/** Largest difference over all outputs, in units of max(1, |value|). */
function difference(actual: Outputs, expected: Outputs): number {
  let worst = 0;
  for (const [name, values] of expected) {
    const found = actual.get(name)!;
    if (found.length !== values.length) return Number.NaN;
    for (const [i, value] of values.entries()) {
      worst = Math.max(worst, Math.abs(found[i]! - value) / Math.max(1, Math.abs(value)));
    }
  }
  return worst;
}
