/** Sizes for a probe run where a model leaves dimensions of its inputs free. */
import { GraftError, messageOf } from '../errors.js';
import type { Model, ValueInfo } from '../onnx/ir.js';
import { formatShape } from '../tensor/shape.js';
import { probeShapes } from './probe-shapes.js';

export interface ProbedShapes {
  /** The sizes that were fed, by input. */
  readonly inputDims: ReadonlyMap<string, readonly number[]>;
  /** Shape of every value for these inputs. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

/** Batches that are not 1, so that no broadcast axis is taken for a batch; and lengths that common models accept. */
const attempts: readonly { readonly batch: number; readonly length: number }[] = [
  { batch: 2, length: 8 },
  { batch: 2, length: 32 },
  { batch: 2, length: 224 },
  { batch: 1, length: 8 },
  { batch: 1, length: 32 },
  { batch: 1, length: 224 },
  { batch: 1, length: 1 },
];

/**
 * Shapes of all values, with sizes chosen for free dimensions: the first to which the model runs. Dimensions of one
 * name get one size.
 * @param wanted - whole shapes of inputs, which are then not chosen
 * @throws GraftError RUNTIME_FAILURE naming the inputs where no choice runs.
 */
export async function probeFreeShapes(
  model: Model,
  wanted: ReadonlyMap<string, readonly number[]> = new Map(),
): Promise<ProbedShapes> {
  const inputs = model.graph.inputs.filter(({ name }) => !model.graph.initializers.has(name));
  for (const name of wanted.keys()) {
    if (inputs.some((input) => input.name === name)) continue;
    const known = inputs.map((input) => input.name).join(', ');
    throw new GraftError('UNKNOWN_VALUE', `The model has no input "${name}"; its inputs are ${known}.`);
  }
  let failure: unknown;
  const tried = new Set<string>();
  for (const attempt of attempts) {
    const inputDims = new Map(
      inputs.map((input) => [input.name, wanted.get(input.name) ?? chooseDims(input, attempt)]),
    );
    const key = JSON.stringify([...inputDims]);
    if (tried.has(key)) continue;
    tried.add(key);
    try {
      return { inputDims, shapes: await probeShapes(model, { inputDims }) };
    } catch (error) {
      if (error instanceof GraftError && error.code !== 'RUNTIME_FAILURE') throw error;
      failure ??= error;
    }
  }
  const shown = inputs.map(({ name, type }) => {
    const shape = type?.kind === 'tensor' && type.shape ? formatShape(type.shape) : '';
    return `"${name}" ${shape}`;
  });
  throw new GraftError(
    'RUNTIME_FAILURE',
    `The model runs with none of the sizes tried for its inputs ${shown.join(', ')}; give their shapes. The first failure: ${messageOf(failure)}`,
    { cause: failure },
  );
}

function chooseDims({ type }: ValueInfo, { batch, length }: (typeof attempts)[number]): number[] {
  if (type?.kind !== 'tensor') return [];
  return (type.shape ?? []).map((dim, axis) =>
    typeof dim === 'number' && dim > 0 ? dim : axis === 0 ? batch : length,
  );
}
