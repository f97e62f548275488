/** Sessions on onnxruntime-node. The native library is loaded on the first call, not on import. */
import type { InferenceSession } from 'onnxruntime-node';
import { GraftError, messageOf } from '../errors.js';
import { loadOnnxruntime } from './load-onnxruntime.js';
import { resolveDevice } from './providers.js';
import type { Provider, Session, SessionOptions } from './session.js';
import { wrapSession } from './wrap-session.js';

/**
 * Opens a model from its encoded bytes (copied by the runtime) or from a path (needed for external data).
 * `device` 'auto' takes the best provider that runs here; a named one that does not load is an error.
 * @throws GraftError PROVIDER_UNAVAILABLE, or INVALID_MODEL with onnxruntime's own words.
 */
export async function openSession(
  source: Uint8Array | string,
  { device = 'cpu', ...options }: SessionOptions = {},
): Promise<Session> {
  const { provider } = await resolveDevice(device);
  return openOnProvider(source, provider, options);
}

export async function openOnProvider(
  source: Uint8Array | string,
  provider: Exclude<Provider, 'wasm'>,
  { threads, spin = true, optimization = 'all' }: Omit<SessionOptions, 'device'> = {},
): Promise<Session> {
  const ort = loadOnnxruntime();
  const options: InferenceSession.SessionOptions = {
    executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
    graphOptimizationLevel: optimization,
    // Errors reach the caller as exceptions; the native log would say them twice.
    logSeverityLevel: 4,
    ...(spin ? {} : { extra: { session: { intra_op: { allow_spinning: '0' } } } }),
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
      `ONNX Runtime does not accept ${where} on ${provider}: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}
