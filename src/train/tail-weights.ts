import { findGradientPath, tabulateRules } from '../autodiff/reachability.js';
import { rules } from '../autodiff/rules/index.js';
import { weightsOf } from '../graph/weight-operands.js';
import { toTensor } from '../onnx/initializer.js';
import type { Graph } from '../onnx/ir.js';
import type { Tail } from './tail.js';

/**
 * Names of the weights that training moves, nearest the cut first: those of nodes that the activations pass, or a table of
 * learned positions. A row of numbers that meets positions alone is none, as the frequencies of rotary positions, and neither are
 * scales of 1 and shifts of 0.
 * @param graph - the tail's, or one that it is a part of
 */
export function tailWeights(
  { model, crossing, output, frozenWeights }: Tail,
  graph: Graph = model.graph,
): string[] {
  const cut = crossing.map(({ name }) => name);
  const tables = [...graph.initializers.values()].filter(
    ({ dtype, dims }) => dtype === 'float32' && dims.filter((size) => size !== 1).length > 1,
  );
  const from = [...cut, ...tables.map(({ name }) => name)];
  const { nodes } = findGradientPath(graph, from, [output], tabulateRules(rules));
  const unlearned = unlearnedAffine(graph);
  return weightsOf(graph, nodes).filter((name) => !frozenWeights?.has(name) && !unlearned.has(name));
}

/** Where scale and shift are operands of a normalisation. */
const affine: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [1, 2],
  GroupNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
};

/**
 * Scales that are 1 and shifts that are 0 throughout, and serve normalisations alone. Exporters write them where the operator wants
 * some and the layer has none: without affine parameters, and in the InstanceNormalization that stands for a GroupNorm, whose
 * own follow. What was learned is not so round.
 */
function unlearnedAffine({ nodes, initializers }: Graph): Set<string> {
  const roles = new Map<string, Set<number | undefined>>();
  for (const { opType, inputs } of nodes) {
    inputs.forEach((name, i) => {
      if (!initializers.has(name)) return;
      const role = affine[opType]?.includes(i) ? i : undefined;
      roles.set(name, (roles.get(name) ?? new Set()).add(role));
    });
  }
  const found = new Set<string>();
  for (const [name, [role, ...others]] of roles) {
    const initializer = initializers.get(name)!;
    if (role === undefined || others.length > 0 || initializer.dtype !== 'float32') continue;
    const neutral = role === 1 ? 1 : 0;
    if ((toTensor(initializer).data as Float32Array).every((value) => value === neutral)) found.add(name);
  }
  return found;
}
