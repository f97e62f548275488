import { GraftError } from '../errors.js';
import { subgraphs } from '../onnx/attributes.js';
import type { Model, Node } from '../onnx/ir.js';
import { raiseOpset } from './opset/raise-opset.js';

/**
 * Both models on the same version of every operator set that both import.
 * @throws GraftError UNSUPPORTED_MODEL where that takes a conversion that does not exist.
 */
export function alignOpsets(first: Model, second: Model): readonly [Model, Model] {
  let models: readonly [Model, Model] = [first, second];
  for (const [domain, version] of first.opsets) {
    const other = second.opsets.get(domain);
    if (other === undefined || other === version) continue;
    const target = Math.max(version, other);
    models = [toVersion(models[0], domain, target), toVersion(models[1], domain, target)];
  }
  return models;
}

function toVersion(model: Model, domain: string, target: number): Model {
  if (model.opsets.get(domain) === target) return model;
  if (domain === '') return raiseOpset(model, target);
  const used = operatorsIn(model, domain);
  if (used.size > 0) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `The models import versions ${model.opsets.get(domain)} and ${target} of the operator set ${domain}, ` +
        `and nothing here converts its operators ${[...used].join(', ')}.`,
    );
  }
  return { ...model, opsets: new Map(model.opsets).set(domain, target) };
}

function operatorsIn(model: Model, domain: string): Set<string> {
  const used = new Set<string>();
  const visit = (nodes: readonly Node[]): void => {
    for (const node of nodes) {
      if (node.domain === domain) used.add(node.opType);
      for (const body of subgraphs(node)) visit(body.nodes);
    }
  };
  visit(model.graph.nodes);
  for (const row of model.functions) visit(row.nodes);
  return used;
}
