/**
 * Sessions on onnxruntime-web in a browser: WebGPU where it runs the model, agrees with WebAssembly and is faster;
 * else WebAssembly, on as many threads as the browser allows. Nothing of Node is imported here.
 */
import type * as onnxruntime from 'onnxruntime-web';
import { GraftError, messageOf } from '../errors.js';
import type { Session, TensorMap } from './session.js';
import { wrapSession } from './wrap-session.js';

type Ort = typeof onnxruntime;

export interface BrowserSessionOptions {
  /** Address of the folder with the files of `web-runtime-files.ts`, with a slash at the end. */
  readonly runtime: string;
  /** Inputs to try the model with. */
  trial(session: Session): TensorMap;
  /** 'auto' by default; a device that is named is not compared, and an error where it does not run. */
  readonly device?: BrowserDevice | undefined;
  /** Of WebAssembly, where the browser allows more than one; default: half the processors that it reports. */
  readonly threads?: number | undefined;
}

export type BrowserDevice = 'auto' | 'wasm' | 'webgpu';

export interface BrowserSession {
  readonly session: Session;
  /** What it runs on and why, for people. */
  readonly explanation: string;
}

/** More threads than this gain little for one image. */
const mostThreads = 8;
/** A trial ends after its last run within this time. */
const trialMs = 1000;
/** How far outputs of WebGPU may be from those of WebAssembly, relative to numbers above 1. */
const tolerance = 1e-3;

/**
 * @throws GraftError INVALID_MODEL or OUT_OF_MEMORY where WebAssembly does not run the model, PROVIDER_UNAVAILABLE where
 * WebGPU was named and does not.
 */
export async function openBrowserSession(
  model: Uint8Array,
  options: BrowserSessionOptions,
): Promise<BrowserSession> {
  const { device = 'auto' } = options;
  const missing = device === 'wasm' ? 'as asked' : await missingForWebgpu(device === 'webgpu');
  if (missing && device === 'webgpu') throw unavailable(missing);
  const ort = await loadRuntime(options, missing ? 'wasm' : 'webgpu');
  if (device === 'webgpu') return openNamed(ort, model, options);
  const cpu = await open(ort, model, 'wasm');
  const byCpu = `WebAssembly, ${describeThreads(ort)}`;
  if (missing) {
    // Once, so that a model that cannot run says so now, and the first image is not the slowest.
    await cpu.run(options.trial(cpu));
    return {
      session: cpu,
      explanation: device === 'wasm' ? `${byCpu}.` : `${byCpu}. Not WebGPU: ${missing}.`,
    };
  }
  const gpu = await tryWebgpu(ort, model, await time(cpu, options), options);
  if (typeof gpu === 'string') return { session: cpu, explanation: `${byCpu}. Not WebGPU: ${gpu}.` };
  await cpu.release();
  return gpu;
}

function unavailable(reason: string, cause?: unknown): GraftError {
  return new GraftError('PROVIDER_UNAVAILABLE', `WebGPU does not run this model here: ${reason}.`, { cause });
}

async function openNamed(
  ort: Ort,
  model: Uint8Array,
  { trial }: BrowserSessionOptions,
): Promise<BrowserSession> {
  try {
    const session = await open(ort, model, 'webgpu');
    await session.run(trial(session));
    return { session, explanation: 'WebGPU, as asked.' };
  } catch (error) {
    throw unavailable(firstLine(error), error);
  }
}

interface Trial {
  readonly outputs: TensorMap;
  readonly milliseconds: number;
}

/** A session on WebGPU, or the reason why WebAssembly is better. */
async function tryWebgpu(
  ort: Ort,
  model: Uint8Array,
  expected: Trial,
  options: BrowserSessionOptions,
): Promise<BrowserSession | string> {
  let session: Session | undefined;
  const refuse = async (reason: string): Promise<string> => {
    await session?.release();
    return reason;
  };
  try {
    session = await open(ort, model, 'webgpu');
    const trial = await time(session, options);
    const difference = largestDifference(trial.outputs, expected.outputs);
    if (!(difference <= tolerance)) {
      return await refuse(`its results are off by ${difference.toPrecision(2)} in a trial`);
    }
    const [here, there] = [trial, expected].map(({ milliseconds }) => `${milliseconds.toFixed(1)} ms`);
    if (trial.milliseconds > expected.milliseconds) {
      return await refuse(`it took ${here} in a trial, WebAssembly ${there}`);
    }
    return { session, explanation: `WebGPU: ${here} in a trial, WebAssembly took ${there}.` };
  } catch (error) {
    return refuse(`it does not run this model (${firstLine(error)})`);
  }
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n', 1)[0]!;
}

/** Once unmeasured, which compiles what is compiled late; then the fastest of at most five runs. */
async function time(session: Session, { trial }: BrowserSessionOptions): Promise<Trial> {
  const feeds = trial(session);
  let outputs = await session.run(feeds);
  let milliseconds = Infinity;
  const begun = performance.now();
  for (let i = 0; i < 5 && performance.now() - begun < trialMs; i++) {
    const started = performance.now();
    outputs = await session.run(feeds);
    milliseconds = Math.min(milliseconds, performance.now() - started);
  }
  return { outputs, milliseconds };
}

function largestDifference(outputs: TensorMap, expected: TensorMap): number {
  let largest = 0;
  for (const [name, { data }] of Object.entries(expected)) {
    const own = outputs[name]?.data ?? [];
    for (let i = 0; i < data.length; i++) {
      const value = Number(data[i]);
      const difference = Math.abs(Number(own[i]) - value) / Math.max(1, Math.abs(value));
      // A value that is no number must not pass for equal.
      if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
    }
  }
  return largest;
}

async function open(ort: Ort, model: Uint8Array, provider: 'wasm' | 'webgpu'): Promise<Session> {
  try {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: [provider],
      logSeverityLevel: 4,
    });
    return wrapSession(session, provider, ort.Tensor);
  } catch (error) {
    const message = messageOf(error);
    if (/memory|bad_alloc|allocat/i.test(message)) {
      throw new GraftError(
        'OUT_OF_MEMORY',
        `The model does not fit into the memory that this browser gives to a page (${message}). graft predict runs it outside the browser.`,
        { cause: error },
      );
    }
    throw new GraftError('INVALID_MODEL', `onnxruntime-web does not accept the model: ${message}`, {
      cause: error,
    });
  }
}

async function loadRuntime(
  { runtime, threads }: BrowserSessionOptions,
  build: 'wasm' | 'webgpu',
): Promise<Ort> {
  const ort = (await import(`${runtime}ort.${build}.min.mjs`)) as Ort;
  // Browsers count two processors a core, and a second thread on a core slows the first one down.
  const usual = Math.min(mostThreads, Math.ceil((navigator.hardwareConcurrency || 1) / 2));
  ort.env.wasm.wasmPaths = runtime;
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? (threads ?? usual) : 1;
  ort.env.logLevel = 'error';
  return ort;
}

function describeThreads({ env }: Ort): string {
  const count = env.wasm.numThreads ?? 1;
  if (count > 1) return `${count} threads`;
  return globalThis.crossOriginIsolated
    ? '1 thread'
    : '1 thread, as browsers share memory among threads only on localhost or by https';
}

/** Of WebGPU's types, what is used here. */
interface Gpu {
  requestAdapter(): Promise<{
    readonly isFallbackAdapter?: boolean;
    readonly info?: { readonly isFallbackAdapter?: boolean };
  } | null>;
}

/** Why WebGPU need not be tried, or undefined. */
async function missingForWebgpu(mayBeSoftware: boolean): Promise<string | undefined> {
  if (!globalThis.isSecureContext) return 'browsers offer it only on localhost or by https';
  const { gpu } = navigator as unknown as { readonly gpu?: Gpu };
  if (!gpu) return 'this browser does not have it';
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (!adapter) return 'it finds no graphics adapter here';
  const isSoftware = adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter;
  return isSoftware && !mayBeSoftware ? 'it has only a software adapter here' : undefined;
}
