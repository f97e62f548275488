import type { Model } from '../onnx/ir.js';
import { liftConstants } from './lift-constants.js';
import { unrollLoops } from './unroll-loops.js';

/** The same model with loops of constant rounds written out, and the weights that `Constant` nodes hold as initializers. */
export function trainableForm(model: Model): Model {
  const graph = unrollLoops(model.graph, model.opsets.get('') ?? 17);
  return liftConstants(graph === model.graph ? model : { ...model, graph });
}
