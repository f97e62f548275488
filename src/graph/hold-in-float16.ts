/**
 * A model that holds its large weights in float16 and computes in float32 as before: half the bytes, at no time, as a runtime takes
 * what is computed of constants alone when it opens the model.
 */
import type { Initializer, Model, Node } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';
import { cast, toHalfInitializer } from './as-float16.js';
import { namesOf } from './names-of.js';
import { UniqueNames } from './unique-names.js';

/** Values below which a weight is left alone. */
const fewest = 512;

/** Weights of subgraphs stay as they are. */
export function holdInFloat16(model: Model): Model {
  const { graph } = model;
  const names = new UniqueNames({ taken: namesOf(graph).values });
  const casts: Node[] = [];
  const isInput = new Set(graph.inputs.map(({ name }) => name));
  const initializers = new Map<string, Initializer>();
  for (const [name, weight] of graph.initializers) {
    if (weight.dtype !== 'float32' || sizeOf(weight.dims) < fewest || isInput.has(name)) {
      initializers.set(name, weight);
      continue;
    }
    const held = names.take(`${name}/float16`);
    initializers.set(held, toHalfInitializer(held, weight));
    casts.push(cast(held, name, 'float32'));
  }
  return { ...model, graph: { ...graph, initializers, nodes: [...casts, ...graph.nodes] } };
}
