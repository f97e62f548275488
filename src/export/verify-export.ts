/** Compares a merged file with what it was made of, on real examples and on every runtime at hand. */
import { GraftError } from '../errors.js';
import type { TrainedHead } from '../heads/head.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { Leeway } from './compare-answers.js';
import { compareOnProviders, type Verification } from './compare-on-providers.js';
import { featureSpread } from './feature-spread.js';
import { openReference, type ReferenceInput, referenceOutputs } from './reference-outputs.js';

/**
 * Features nearer to each other than this lose digits of what they differ in to the order of sums, or where the file computes in
 * fewer bits or from other pixels, to those.
 */
const narrowSpread = { exact: 1e-3, rough: 0.1 };

interface Stoppable {
  readonly signal?: AbortSignal | undefined;
}

export interface VerifyInput extends ReferenceInput, Stoppable {
  /** The exported file's bytes, or its path. */
  readonly merged: Uint8Array | string;
  readonly tolerance?: number;
  /** What the file is run on, where it takes other inputs than the backbone. */
  readonly taken?: EncodedExamples | undefined;
  /** Of a file that is meant to differ. */
  readonly leeway?: Leeway | undefined;
  /** As `compareOnProviders` has it. */
  readonly patience?: number | undefined;
}

/**
 * The reference runs backbone and head as two models, one example at a time; the merged file runs the same ones
 * one at a time and (unless they would change each other's numbers) some in batches, on onnxruntime-node's CPU, on CUDA
 * where it runs, and on onnxruntime-web (wasm) where that takes the file. A provider on which the file is far from the
 * CPU's reference is compared with a reference of its own.
 * @throws GraftError INTERRUPTED, and VERIFICATION_FAILED above the tolerance, naming the provider and the difference.
 */
export async function verifyExport(input: VerifyInput): Promise<Verification> {
  const { merged, examples, taken = examples, tolerance, leeway, patience, signal } = input;
  try {
    return await compareOnProviders({
      merged,
      examples: taken,
      task: input.head.task,
      expected: (open) => referenceOutputs(input, open),
      tolerance,
      leeway,
      patience,
      signal,
    });
  } catch (error) {
    if (!(error instanceof GraftError && error.code === 'VERIFICATION_FAILED')) throw error;
    const spread = await featureSpread(input);
    if (!(spread < narrowSpread[leeway ? 'rough' : 'exact'])) throw error;
    throw new GraftError(
      'VERIFICATION_FAILED',
      `${error.message} The features of these examples differ by no more than ${spread.toExponential(0)} of their size, ` +
        `so that the head has to tell them apart by what is near ${leeway ? 'these differences' : 'the rounding of float32'}; choose another --layer.`,
      { cause: error },
    );
  }
}

export interface VerifyHeadInput extends Stoppable {
  /** The exported file's bytes, or its path. */
  readonly merged: Uint8Array | string;
  readonly head: TrainedHead;
  /** [rows, dim] */
  readonly features: Tensor;
}

/** The same for a file that holds a head alone: the reference is the head as it was trained. */
export async function verifyHead({ merged, head, features, signal }: VerifyHeadInput): Promise<Verification> {
  const reference = await openReference(head);
  try {
    const expected = await reference.run([features]);
    const examples = featureRows(features);
    return await compareOnProviders({
      merged,
      examples,
      task: head.task,
      expected: () => Promise.resolve(expected),
      signal,
    });
  } finally {
    await reference.release();
  }
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
