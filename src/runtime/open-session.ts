/** Sessions on onnxruntime-node. The native library is loaded on the first call, not on import. */
import { invalidArgument } from '../errors.js';
import { openOnProvider } from './open-on-provider.js';
import { resolveDevice } from './providers.js';
import type { Session, SessionOptions } from './session.js';

/**
 * Opens a model from its encoded bytes (copied by the runtime) or from a path (needed for external data).
 * `device` 'auto' takes the best provider that runs here; a named one that does not load is an error.
 * @throws GraftError PROVIDER_UNAVAILABLE, INVALID_ARGUMENT, or INVALID_MODEL with onnxruntime's own words.
 */
export async function openSession(
  source: Uint8Array | string,
  { device = 'cpu', ...options }: SessionOptions = {},
): Promise<Session> {
  const { threads } = options;
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads > 0))
    throw invalidArgument('threads', 'a whole number above 0', threads);
  const { provider } = await resolveDevice(device);
  return openOnProvider(source, provider, options);
}
