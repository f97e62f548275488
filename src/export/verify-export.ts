/** Compares a merged file with what it was made of, on real examples and on every runtime at hand. */
import { GraftError, isInterruption, messageOf } from '../errors.js';
import type { TrainedHead } from '../heads/head.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { openSession } from '../runtime/open-session.js';
import { openWebSession } from '../runtime/open-web-session.js';
import { providerStatus } from '../runtime/providers.js';
import type { Session, TensorMap } from '../runtime/session.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { compareOutputs, type Compared, float32Tolerance } from './compare-outputs.js';
import { featureSpread } from './feature-spread.js';
import {
  concatenate,
  type Open,
  openReference,
  type Outputs,
  type ReferenceInput,
  referenceOutputs,
} from './reference-outputs.js';

/** Features nearer to each other than this lose digits of what they differ in to the order of sums. */
const narrowSpread = 1e-3;

export interface Verification {
  /** Largest |merged − reference| over all outputs, in units of max(1, |reference|). */
  readonly maxAbsDiff: number;
  readonly examples: number;
  readonly providers: readonly VerifiedProvider[];
  /** Runtimes at hand that do not run the file, for example for operators of the other ones' own. */
  readonly unable: readonly { readonly name: string; readonly reason: string }[];
}

export interface VerifiedProvider extends Omit<Compared, 'isRight'> {
  readonly name: string;
}

interface Stoppable {
  readonly signal?: AbortSignal | undefined;
}

export interface VerifyInput extends ReferenceInput, Stoppable {
  /** The exported file's bytes, or its path. */
  readonly merged: Uint8Array | string;
  readonly tolerance?: number;
}

/**
 * The reference runs backbone and head as two models, one example at a time; the merged file runs the same ones
 * one at a time and (unless they would change each other's numbers) in one batch, on onnxruntime-node's CPU, on CUDA
 * where it runs, and on onnxruntime-web (wasm) where that takes the file. A provider on which the file is far from the
 * CPU's reference is compared with a reference of its own.
 * @throws GraftError INTERRUPTED, and VERIFICATION_FAILED above the tolerance, naming the provider and the difference.
 */
export async function verifyExport(input: VerifyInput): Promise<Verification> {
  const { merged, examples, tolerance, signal } = input;
  try {
    return await compareOnProviders({
      merged,
      examples,
      expected: (open) => referenceOutputs(input, open),
      tolerance,
      signal,
    });
  } catch (error) {
    if (!(error instanceof GraftError && error.code === 'VERIFICATION_FAILED')) throw error;
    const spread = await featureSpread(input);
    if (!(spread < narrowSpread)) throw error;
    throw new GraftError(
      'VERIFICATION_FAILED',
      `${error.message} The features of these examples differ by no more than ${spread.toExponential(0)} of their size, ` +
        'so that the head has to tell them apart by what is near the rounding of float32; choose another --layer.',
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
      expected: () => Promise.resolve(expected),
      signal,
    });
  } finally {
    await reference.release();
  }
}

interface Comparison extends Stoppable {
  readonly merged: Uint8Array | string;
  readonly examples: EncodedExamples;
  /** What the file should give, by the backbone in a session that `open` opens. */
  readonly expected: (open: Open) => Promise<Outputs>;
  readonly tolerance?: number | undefined;
}

async function compareOnProviders({
  merged,
  examples,
  expected,
  tolerance = float32Tolerance,
  signal,
}: Comparison): Promise<Verification> {
  const byCpu = await expected(openSession);
  const check = async (name: string, open: Open): Promise<Compared & { readonly name: string }> => {
    await untilHeard(signal);
    const session = await open(merged);
    try {
      const found = [await runMerged(session, examples, 1, byCpu.keys())];
      if (isBatched(examples)) found.push(await runMerged(session, examples, examples.count, byCpu.keys()));
      const first = compareOutputs(found, byCpu, undefined, tolerance);
      if (first.isRight || open === openSession) return { name, ...first };
      return { name, ...compareOutputs(found, byCpu, await expected(open), tolerance) };
    } finally {
      await session.release();
    }
  };
  const providers = [await check('cpu', openSession)];
  if ((await providerStatus('cuda')).available)
    providers.push(await check('cuda', (model) => openSession(model, { device: 'cuda' })));
  const unable: { name: string; reason: string }[] = [];
  try {
    providers.push(await check('wasm', openWebSession));
  } catch (error) {
    if (isInterruption(error)) throw error;
    // It has neither all operators nor all the memory of the CPU, where the file did run.
    unable.push({ name: 'wasm', reason: messageOf(error) });
  }
  const wrong = providers.find(({ isRight }) => !isRight);
  if (wrong) {
    const { name, maxAbsDiff, rounding } = wrong;
    const why =
      rounding === undefined
        ? ''
        : ` Backbone and head by themselves are ${rounding.toExponential(0)} from the CPU there, as the head magnifies rounding: choose another --layer or a larger --l2.`;
    const what = Number.isNaN(maxAbsDiff)
      ? 'gives outputs of other sizes than backbone and head, or no numbers,'
      : `differs from backbone and head by ${maxAbsDiff.toExponential(2)}`;
    throw new GraftError(
      'VERIFICATION_FAILED',
      `The merged model ${what} on ${name}, over ${examples.count} examples; at most ${tolerance} was expected. Do not use this file.${why}`,
    );
  }
  return {
    maxAbsDiff: Math.max(...providers.map(({ maxAbsDiff }) => maxAbsDiff)),
    examples: examples.count,
    providers: providers.map(({ isRight: _, ...provider }) => provider),
    unable,
  };
}

/** A turn of the event loop, in which alone Ctrl-C is heard. */
async function untilHeard(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  if (signal?.aborted)
    throw new GraftError('INTERRUPTED', 'The verification was stopped; nothing was written.');
}

/** Whether examples may share a run; a file that takes one at a time has then been compared already. */
function isBatched(examples: EncodedExamples): boolean {
  const { count } = examples;
  for (let start = 0; start < count - 1; start++) if (examples.together(start, count) > 1) return true;
  return false;
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
