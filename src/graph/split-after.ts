import { GraftError } from '../errors.js';
import { valuesRead } from '../onnx/graph-index.js';
import type { Model, Node } from '../onnx/ir.js';
import { assertValueExists } from './assert-value-exists.js';
import { splitModel } from './split-model.js';

export interface TrainableSplit {
  /** Every value that the tail reads from before it, `layer` first; more than one where connections skip the layer. */
  readonly crossing: readonly string[];
  /** The model's inputs → the crossing values. */
  readonly frozen: Model;
  /** The crossing values → the model's outputs. */
  readonly tail: Model;
}

/**
 * Splits a model so that the tail is everything that depends on `layer`, and the frozen part all that does not.
 * What follows from constants alone goes with whoever reads it.
 * @param remade - values that shall not cross, each with what crosses instead: the tail makes them of it (`madeOf`)
 * @throws GraftError UNKNOWN_VALUE; UNSUPPORTED_MODEL where no output depends on the layer.
 */
export function splitAfter(
  model: Model,
  layer: string,
  remade: ReadonlyMap<string, ReadonlySet<string>> = new Map(),
): TrainableSplit {
  assertValueExists(model, layer);
  const { graph } = model;
  const fed = dependents(
    model,
    graph.inputs.filter(({ name }) => !graph.initializers.has(name)).map(({ name }) => name),
  );
  // What is made of its sizes alone, as masks are, does not depend on what training changes.
  const isOfSizes = ({ opType, inputs }: Node): boolean =>
    (opType === 'Shape' || opType === 'Size') && inputs[0] === layer;
  const after = dependents(model, [layer], isOfSizes);
  after.delete(layer);
  if (!graph.outputs.some(({ name }) => after.has(name) || name === layer)) {
    const outputs = graph.outputs.map(({ name }) => `"${name}"`).join(', ');
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Nothing of ${outputs} depends on "${layer}", so there is nothing to train after it; name a layer before the feature layer.`,
    );
  }
  const crossing = new Set([layer]);
  const cross = (value: string): void => {
    for (const each of remade.get(value) ?? [value]) if (fed.has(each)) crossing.add(each);
  };
  for (const node of graph.nodes) {
    if (!node.outputs.some((output) => after.has(output))) continue;
    for (const value of valuesRead(node)) {
      if (!after.has(value) && fed.has(value)) cross(value);
    }
  }
  const { backbone, tail } = splitModel(model, [...crossing]);
  return { crossing: [...crossing], frozen: backbone, tail };
}

/** All values that depend on one of `values`, these included, but for what `stops`. Nodes stand in topological order. */
function dependents(
  { graph }: Model,
  values: readonly string[],
  stops: (node: Node) => boolean = () => false,
): Set<string> {
  const found = new Set(values);
  for (const node of graph.nodes) {
    if (stops(node)) continue;
    let depends = false;
    for (const value of valuesRead(node)) depends ||= found.has(value);
    if (depends) for (const output of node.outputs) if (output !== '') found.add(output);
  }
  return found;
}
