/** Sessions on onnxruntime-web's WebAssembly build, in Node: what a browser without WebGPU will run. */
import { GraftError, messageOf } from '../errors.js';
import { readModel } from '../onnx/read-model.js';
import { encodeModel } from '../onnx/write-model.js';
import { explainRefusal } from './explain-refusal.js';
import type { Session } from './session.js';
import { wrapSession } from './wrap-session.js';

/**
 * @param source - encoded bytes, or a path: external data is put inside
 * @throws GraftError INVALID_MODEL with onnxruntime's own words, UNSUPPORTED_MODEL above 2 GiB.
 */
export async function openWebSession(source: Uint8Array | string): Promise<Session> {
  const model = typeof source === 'string' ? encodeModel(await readModel(source)) : source;
  const ort = await import('onnxruntime-web');
  ort.env.wasm.numThreads = 1;
  try {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: ['wasm'],
      logSeverityLevel: 4,
    });
    return wrapSession(session, 'wasm', ort.Tensor);
  } catch (error) {
    throw new GraftError(
      'INVALID_MODEL',
      `onnxruntime-web does not accept the model: ${explainRefusal(messageOf(error))}`,
      {
        cause: error,
      },
    );
  }
}
