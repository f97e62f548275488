/** Compares a merged file with what it was made of, on real images and on every runtime at hand. */
import { GraftError } from '../errors.js';
import { appendHeadOutputs } from '../heads/build-head.js';
import type { TrainedHead } from '../heads/head.js';
import { preprocessImage } from '../image/preprocess-image.js';
import type { PreprocessSpec } from '../models/preprocess-spec.js';
import { pixelShape } from '../models/read-preprocess.js';
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
  readonly featuresInput: string;
  readonly featuresOutput: string;
  readonly head: TrainedHead;
  /** What the merged file is run on, [images, …]: prepared images, or where there are none any numbers. */
  readonly pixels: Tensor;
  readonly tolerance?: number;
}

/**
 * The reference runs backbone and head as two models, one image at a time; the merged file runs the same images
 * one at a time and in one batch, on onnxruntime-node's CPU, on CUDA where it runs, and on onnxruntime-web (wasm).
 * @throws GraftError VERIFICATION_FAILED above the tolerance, naming the provider and the difference.
 */
export async function verifyExport(input: VerifyInput): Promise<Verification> {
  const { merged, pixels, tolerance } = input;
  const expected = await referenceOutputs(input, pixels);
  return compareOnProviders({ merged, inputs: pixels, expected, tolerance });
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
    return await compareOnProviders({ merged, inputs: features, expected: await reference.run([features]) });
  } finally {
    await reference.release();
  }
}

interface Comparison {
  readonly merged: Uint8Array;
  readonly inputs: Tensor;
  readonly expected: Outputs;
  readonly tolerance?: number | undefined;
}

async function compareOnProviders({
  merged,
  inputs,
  expected,
  tolerance = float32Tolerance,
}: Comparison): Promise<Verification> {
  const examples = inputs.dims[0]!;
  const providers: { name: string; maxAbsDiff: number }[] = [];
  const check = async (name: string, session: Session): Promise<void> => {
    try {
      const batched = await runMerged(session, inputs, examples, expected.keys());
      const single = await runMerged(session, inputs, 1, expected.keys());
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
        `over ${examples} examples; at most ${tolerance} was expected. Do not use this file.`,
    );
  }
  return { maxAbsDiff: worst.maxAbsDiff, examples, providers };
}

/** [images, C, H, W] (or NHWC) float32. */
export async function loadPixels(images: readonly Uint8Array[], preprocess: PreprocessSpec): Promise<Tensor> {
  const { channels, height, width } = pixelShape(preprocess);
  const perImage = channels * height * width;
  const data = new Float32Array(images.length * perImage);
  for (const [i, image] of images.entries()) {
    await preprocessImage(image, preprocess, data.subarray(i * perImage, (i + 1) * perImage));
  }
  const dims = preprocess.layout === 'nchw' ? [channels, height, width] : [height, width, channels];
  return float32([images.length, ...dims], data);
}

/** What is compared, by the names of the merged file's outputs. */
type Outputs = ReadonlyMap<string, Float32Array>;

async function referenceOutputs(input: VerifyInput, pixels: Tensor): Promise<Outputs> {
  const { features, featuresInput, featuresOutput, head } = input;
  const backbone = await openSession(encodeModel(features));
  const reference = await openReference(head);
  try {
    const rows: Tensor[] = [];
    for (const image of batches(pixels, 1))
      rows.push((await backbone.run({ [featuresInput]: image }))[featuresOutput]!);
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
  pixels: Tensor,
  batch: number,
  names: Iterable<string>,
): Promise<Outputs> {
  const rows = new Map([...names].map((name) => [name, [] as Float32Array[]]));
  for (const images of batches(pixels, batch)) {
    const run = await session.run({ [session.inputNames[0]!]: images });
    for (const [name, parts] of rows) parts.push(outputOf(run, name));
  }
  return new Map([...rows].map(([name, parts]) => [name, concatenate(parts)]));
}

function outputOf(run: TensorMap, name: string): Float32Array {
  const found = run[name];
  if (found) return found.data as Float32Array;
  throw new GraftError(
    'VERIFICATION_FAILED',
    `The merged model should have an output ${name} but has ${Object.keys(run).join(', ')}; it belongs to another run.`,
  );
}

function* batches({ dims, data }: Tensor, size: number): Generator<Tensor> {
  const [rows = 0, ...rest] = dims;
  const perRow = data.length / rows;
  for (let row = 0; row < rows; row += size) {
    const count = Math.min(size, rows - row);
    yield float32([count, ...rest], (data as Float32Array).subarray(row * perRow, (row + count) * perRow));
  }
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
