import { GraftError } from '../errors.js';
import type { Model } from '../onnx/ir.js';
import { nearNames } from './near-names.js';

/** @throws GraftError UNKNOWN_VALUE listing near names where no node of the model computes `name`. */
export function assertValueExists(model: Model, name: string, where = 'the model'): void {
  const computed = new Set(
    model.graph.nodes.flatMap(({ outputs }) => outputs.filter((output) => output !== '')),
  );
  if (computed.has(name)) return;
  throw new GraftError(
    'UNKNOWN_VALUE',
    `No node of ${where} computes a value "${name}". Near it: ${nearNames(name, computed).join(', ')}. ` +
      'graft inspect lists the layers that suit a head.',
  );
}
