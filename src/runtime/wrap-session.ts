/** Puts our Session interface around a session of onnxruntime-node or onnxruntime-web; both share one API. */
import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from 'onnxruntime-node';
import type { TypedArray } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { runFailure } from './explain-refusal.js';
import type { Provider, Session, TensorMap } from './session.js';

export function wrapSession(
  session: InferenceSession,
  provider: Provider,
  OrtTensor: TensorConstructor,
): Session {
  const toOrt = (tensors: TensorMap): Record<string, OrtTensor> => {
    const result: Record<string, OrtTensor> = {};
    for (const [name, { dtype, data, dims }] of Object.entries(tensors)) {
      result[name] = new OrtTensor(dtype as 'float32', data as Float32Array, dims);
    }
    return result;
  };
  return {
    provider,
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(feeds: TensorMap, into?: TensorMap) {
      try {
        // onnxruntime-web runs in memory of its own and leaves the caller's untouched: what comes back is copied.
        const isCopied = provider === 'wasm';
        const outputs =
          into && !isCopied
            ? await session.run(toOrt(feeds), { ...allOutputs(session), ...toOrt(into) })
            : await session.run(toOrt(feeds));
        const result: Record<string, Tensor> = {};
        for (const [name, { type, dims, data }] of Object.entries(outputs)) {
          const given = isCopied ? into?.[name] : undefined;
          if (given) (given.data as Float32Array).set(data as Float32Array);
          result[name] = given ?? { dtype: type, dims, data: data as TypedArray };
        }
        return result;
      } catch (error) {
        throw runFailure(error, provider);
      }
    },
    release: () => session.release(),
  };
}

/** Every output of the session, to be allocated by it. */
function allOutputs(session: InferenceSession): Record<string, null> {
  return Object.fromEntries(session.outputNames.map((name) => [name, null]));
}
