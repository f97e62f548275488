import { invalidArgument } from '../errors.js';
import { toInitializer } from '../onnx/initializer.js';
import type { Model } from '../onnx/ir.js';
import { formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * The model with new values for some of its initializers; nodes and names stay as they are.
 * @throws GraftError INVALID_ARGUMENT for a name that is no initializer, or another shape or type.
 */
export function replaceInitializers(model: Model, values: ReadonlyMap<string, Tensor>): Model {
  const initializers = new Map(model.graph.initializers);
  for (const [name, tensor] of values) {
    const known = initializers.get(name);
    const expected = known && `${known.dtype} ${formatShape(known.dims)}`;
    const received = `${tensor.dtype} ${formatShape(tensor.dims)}`;
    if (expected !== received) {
      throw invalidArgument(name, expected ?? 'the name of an initializer of the model', received);
    }
    initializers.set(name, toInitializer(name, tensor));
  }
  return { ...model, graph: { ...model.graph, initializers } };
}
