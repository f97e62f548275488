/** Runs an exported file on every runtime at hand, and compares what it gives with what it should. */
import { GraftError, isInterruption, messageOf } from '../errors.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { openSession } from '../runtime/open-session.js';
import { openWebSession } from '../runtime/open-web-session.js';
import { providerStatus } from '../runtime/providers.js';
import type { Session, TensorMap } from '../runtime/session.js';
import type { TaskKind } from '../tasks/task.js';
import { sizeOf } from '../tensor/shape.js';
import { compareAnswers, judgeRounding, type Leeway } from './compare-answers.js';
import { compareOutputs, type Compared, float32Tolerance } from './compare-outputs.js';
import { concatenate, type Open, type Outputs } from './reference-outputs.js';

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
  /** Present where fewer were compared than elsewhere, as they take long there. */
  readonly examples?: number;
}

export interface Comparison {
  /** The exported file's bytes, or its path. */
  readonly merged: Uint8Array | string;
  /** What the file is run on. */
  readonly examples: EncodedExamples;
  /** What it should give, by the backbone in a session that `open` opens. */
  readonly expected: (open: Open) => Promise<Outputs>;
  readonly task: TaskKind;
  readonly tolerance?: number | undefined;
  /** Of a file that is meant to differ; then `tolerance` is not looked at. */
  readonly leeway?: Leeway | undefined;
  /** Seconds that examples may take one by one on WebAssembly, which has one thread here; default 15. One is always run. */
  readonly patience?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Values that a run of several examples is fed, if that is no fewer than four: all texts, but few images, as activations take memory. */
const valuesTogether = 2 ** 20;
const fewest = 4;

/** @throws GraftError INTERRUPTED, and VERIFICATION_FAILED, naming the provider and the difference. */
export async function compareOnProviders(comparison: Comparison): Promise<Verification> {
  const { merged, expected, task, tolerance = float32Tolerance, leeway, patience = 15, signal } = comparison;
  const all = comparison.examples;
  const byAllOnCpu = await expected(openSession);
  const check = async (name: string, open: Open): Promise<Checked> => {
    await untilHeard(signal);
    const session = await open(merged);
    try {
      const count = name === 'wasm' ? await affordable(session, all, patience) : all.count;
      const examples = firstOf(all, count);
      const first = (outputs: Outputs): Outputs => firstRows(outputs, count / all.count);
      const byCpu = first(byAllOnCpu);
      const found = [await runMerged(session, examples, byCpu.keys())];
      if (isBatched(examples)) found.push(await runTogether(session, examples, found[0]!));
      const told = { name, ...(count < all.count && { examples: count }) };
      if (leeway) return { ...told, ...compareAnswers(found, byCpu, count, leeway) };
      const compared = compareOutputs(found, byCpu, undefined, tolerance);
      if (compared.isRight || open === openSession) return { ...told, ...compared };
      const byOwn = first(await expected(open));
      const judged = compareOutputs(found, byCpu, byOwn, tolerance);
      return { ...told, ...judgeRounding(judged, found, byCpu, { examples: count, task }) };
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
  if (wrong) throw explain(wrong, all.count, tolerance, leeway);
  return {
    maxAbsDiff: Math.max(...providers.map(({ maxAbsDiff }) => maxAbsDiff)),
    examples: all.count,
    providers: providers.map(({ isRight: _, ...provider }) => provider),
    unable,
  };
}

type Checked = VerifiedProvider & Compared;

function explain(
  { name, maxAbsDiff, fromCpu = maxAbsDiff, meanAbsDiff, agreement, rounding, examples: some }: Checked,
  all: number,
  tolerance: number,
  leeway?: Leeway,
): GraftError {
  const examples = some ?? all;
  const where = `on ${name}, over ${examples} examples`;
  const failed = (what: string, why: string): GraftError =>
    new GraftError('VERIFICATION_FAILED', `The merged model ${what}. Do not use this file.${why}`);
  if (leeway && meanAbsDiff !== undefined) {
    let what = `gives no numbers, or too few, ${where}`;
    if (meanAbsDiff > leeway.meanAbsDiff) {
      what =
        `differs from backbone and head by ${meanAbsDiff.toExponential(1)} on average (${maxAbsDiff.toExponential(1)} at most) ${where}; ` +
        `at most ${leeway.meanAbsDiff} on average was expected`;
    } else if (agreement !== undefined && leeway.agreement !== undefined) {
      what =
        `gives the same answers as backbone and head in ${Math.round(agreement * examples)} of ${examples} examples on ${name}; ` +
        `at least ${100 * leeway.agreement} % were expected`;
    }
    return failed(what, ` ${leeway.remedy}`);
  }
  const why =
    rounding === undefined
      ? ''
      : ` Backbone and head by themselves are ${rounding.toExponential(0)} from the CPU there, as the head magnifies rounding: choose another --layer or a larger --l2.`;
  const what = Number.isNaN(maxAbsDiff)
    ? 'gives outputs of other sizes than backbone and head, or no numbers,'
    : `differs from backbone and head by ${fromCpu.toExponential(2)}`;
  return failed(`${what} ${where}; at most ${tolerance} was expected`, why);
}

/** A turn of the event loop, in which alone Ctrl-C is heard. */
async function untilHeard(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (signal?.aborted)
    throw new GraftError('INTERRUPTED', 'The verification was stopped; nothing was written.');
}

/** How many examples can be run in so many seconds, by the time of the first; one where that alone takes longer, as nine runs would take minutes. */
async function affordable(session: Session, examples: EncodedExamples, seconds: number): Promise<number> {
  const started = performance.now();
  await session.run(feedsOf(session, examples.feeds(0, 1)));
  const each = (performance.now() - started) / 1000;
  const count = each > seconds ? 1 : Math.max(fewest, Math.floor(seconds / each));
  return Math.min(examples.count, count);
}

function firstOf(examples: EncodedExamples, count: number): EncodedExamples {
  const together = (start: number, most: number) => Math.min(examples.together(start, most), count - start);
  return { ...examples, count, together };
}

function firstRows(outputs: Outputs, share: number): Outputs {
  return new Map(
    [...outputs].map(([name, values]) => [name, values.subarray(0, Math.round(values.length * share))]),
  );
}

/** Whether examples may share a run; a file that takes one at a time has then been compared already. */
function isBatched(examples: EncodedExamples): boolean {
  const { count } = examples;
  for (let start = 0; start < count - 1; start++) if (examples.together(start, count) > 1) return true;
  return false;
}

/** The outputs of the examples in the first `count` places. */
async function runMerged(
  session: Session,
  examples: EncodedExamples,
  names: Iterable<string>,
  { most = 1, count = examples.count } = {},
): Promise<Outputs> {
  const rows = new Map([...names].map((name) => [name, [] as Float32Array[]]));
  for (let start = 0; start < count;) {
    const end = Math.min(count, start + examples.together(start, most));
    const run = await session.run(feedsOf(session, examples.feeds(start, end)));
    for (const [name, parts] of rows) parts.push(outputOf(run, name));
    start = end;
  }
  return new Map([...rows].map(([name, parts]) => [name, concatenate(parts)]));
}

/** The first examples in runs of several, those after them as they came alone. */
async function runTogether(session: Session, examples: EncodedExamples, alone: Outputs): Promise<Outputs> {
  const values = Object.values(examples.feeds(0, 1)).reduce((sum, { dims }) => sum + sizeOf(dims), 0);
  const most = Math.max(fewest, Math.floor(valuesTogether / values));
  const count = Math.min(2 * most, examples.count);
  const first = await runMerged(session, examples, alone.keys(), { most, count });
  const rest = (name: string): Float32Array => {
    const values = alone.get(name)!;
    return values.subarray((values.length / examples.count) * count);
  };
  return new Map([...first].map(([name, values]) => [name, concatenate([values, rest(name)])]));
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
