/** Real shapes of values, found by running the model once with the values exposed. */
import { GraftError } from '../errors.js';
import { exposeValues } from '../graph/expose-values.js';
import type { Model, ValueInfo } from '../onnx/ir.js';
import { encodeModel } from '../onnx/write-model.js';
import { type DType, dtypeInfo } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { openSession } from './open-session.js';
import type { TensorMap } from './session.js';

export interface ProbeOptions {
  /** Sizes for symbolic or unknown input dimensions, by input name; an absent one counts as 1. */
  readonly inputDims?: ReadonlyMap<string, readonly number[]>;
  readonly names?: readonly string[];
  /** Inputs to run on in place of zeros. */
  readonly feeds?: TensorMap;
}

/** Shape of every value (or of `names`) for one run on zeros. Values that are not tensors are left out. */
export async function probeShapes(
  model: Model,
  options: ProbeOptions = {},
): Promise<Map<string, readonly number[]>> {
  const exposed = exposeValues(model, options.names ?? 'all');
  // Unoptimised: fused nodes would hide the values between them.
  const session = await openSession(encodeModel(exposed), { optimization: 'disabled' });
  try {
    const feeds: Record<string, Tensor> = {};
    const shapes = new Map<string, readonly number[]>();
    for (const input of model.graph.inputs) {
      if (!session.inputNames.includes(input.name)) continue;
      const feed = options.feeds?.[input.name] ?? zeros(input, options.inputDims?.get(input.name));
      feeds[input.name] = feed;
      shapes.set(input.name, feed.dims);
    }
    for (const [name, initializer] of model.graph.initializers) shapes.set(name, initializer.dims);
    for (const [name, { dims }] of Object.entries(await session.run(feeds))) shapes.set(name, dims);
    return shapes;
  } finally {
    await session.release();
  }
}

function zeros(input: ValueInfo, wanted?: readonly number[]): Tensor {
  if (input.type?.kind !== 'tensor') {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Input "${input.name}" is not a tensor; only tensors can be fed.`,
    );
  }
  const dims =
    wanted ?? (input.type.shape ?? []).map((dim) => (typeof dim === 'number' && dim > 0 ? dim : 1));
  const dtype: DType = input.type.dtype;
  return { dtype, dims, data: new (dtypeInfo(dtype).array)(sizeOf(dims)) };
}
