/** Sessions on a provider that is known to run here. The native library is loaded on the first call, not on import. */
import { readFile } from 'node:fs/promises';
import type { InferenceSession } from 'onnxruntime-node';
import { GraftError, messageOf } from '../errors.js';
import { loadOnnxruntime } from './load-onnxruntime.js';
import { explainRefusal } from './explain-refusal.js';
import { holdsHalf } from './holds-half.js';
import type { Provider, Session, SessionOptions } from './session.js';
import { wrapSession } from './wrap-session.js';

/**
 * ONNX Runtime 1.30 to 1.32 joins a Transpose of float16 numbers to the MatMul behind it, and then, laying out convolutions, ends the
 * process by a segmentation fault.
 */
const withoutTransposeFusion = { disable_specified_optimizers: 'MatmulTransposeFusion' };

/** A file that cannot be read is left to the runtime to complain of. */
async function isHalf(source: Uint8Array | string): Promise<boolean> {
  if (typeof source !== 'string') return holdsHalf(source);
  return readFile(source).then(holdsHalf, () => false);
}

/**
 * As `openSession`, for threads that do nothing else: what looks for providers loads 40 modules of Node's, 10 ms a thread.
 * @throws GraftError INVALID_MODEL, with what onnxruntime says.
 */
export async function openOnProvider(
  source: Uint8Array | string,
  provider: Exclude<Provider, 'wasm'>,
  {
    threads,
    spin = true,
    planMemory = true,
    optimization = 'all',
    optimizedFile,
  }: Omit<SessionOptions, 'device'> = {},
): Promise<Session> {
  const ort = loadOnnxruntime();
  const options: InferenceSession.SessionOptions = {
    executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
    graphOptimizationLevel: optimization,
    ...(optimizedFile === undefined ? {} : { optimizedModelFilePath: optimizedFile }),
    // Errors reach the caller as exceptions; the native log would say them twice.
    logSeverityLevel: 4,
    // DirectML cannot work in memory that was planned.
    enableMemPattern: planMemory && provider !== 'dml',
    extra: {
      ...(spin ? {} : { session: { intra_op: { allow_spinning: '0' } } }),
      ...(optimization === 'all' && (await isHalf(source)) ? { optimization: withoutTransposeFusion } : {}),
    },
    ...(threads ? { intraOpNumThreads: threads, interOpNumThreads: 1 } : {}),
  };
  try {
    const session = await (typeof source === 'string'
      ? ort.InferenceSession.create(source, options)
      : ort.InferenceSession.create(source, options));
    return wrapSession(session, provider, ort.Tensor);
  } catch (error) {
    const where = typeof source === 'string' ? source : 'the model';
    throw new GraftError(
      'INVALID_MODEL',
      `ONNX Runtime does not accept ${where} on ${provider}: ${explainRefusal(messageOf(error))}`,
      {
        cause: error,
      },
    );
  }
}
