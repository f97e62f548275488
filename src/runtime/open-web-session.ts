/** Sessions on onnxruntime-web's WebAssembly build, in Node: what a browser without WebGPU will run. */
import { GraftError, messageOf } from '../errors.js';
import type { Session } from './session.js';
import { wrapSession } from './wrap-session.js';

/**
 * @param model - encoded bytes; external data is not supported here
 * @throws GraftError INVALID_MODEL with onnxruntime's own words.
 */
export async function openWebSession(model: Uint8Array): Promise<Session> {
  const ort = await import('onnxruntime-web');
  ort.env.wasm.numThreads = 1;
  try {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: ['wasm'],
      logSeverityLevel: 4,
    });
    return wrapSession(session, 'wasm', ort.Tensor);
  } catch (error) {
    throw new GraftError('INVALID_MODEL', `onnxruntime-web does not accept the model: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
