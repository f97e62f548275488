import type { Initializer, Model } from '../onnx/ir.js';
import { isFloat } from '../tensor/dtype.js';

/**
 * The same model with floating-point tensors of `Constant` nodes as initializers of the same names: what PaddlePaddle's and
 * older exporters write weights as. Only initializers are trained. Bodies of nodes stay as they are.
 */
export function liftConstants(model: Model): Model {
  const { graph } = model;
  const lifted = new Map<string, Initializer>();
  const nodes = graph.nodes.filter(({ opType, domain, attributes, outputs: [name = ''] }) => {
    const value = opType === 'Constant' && domain === '' ? attributes.get('value') : undefined;
    if (value?.kind !== 'tensor' || !isFloat(value.value.dtype)) return true;
    lifted.set(name, { ...value.value, name });
    return false;
  });
  if (lifted.size === 0) return model;
  return { ...model, graph: { ...graph, nodes, initializers: new Map([...graph.initializers, ...lifted]) } };
}
