import { GraftError, invalidArgument } from '../errors.js';
import { nearNames } from '../graph/near-names.js';
import { valuesRead } from '../onnx/graph-index.js';
import { toTensor } from '../onnx/initializer.js';
import type { Graph, Initializer, Node } from '../onnx/ir.js';
import { isFloat } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import { toFloat32 } from '../tensor/to-float32.js';
import { reaching, type RuleTable } from './reachability.js';

/**
 * The values to differentiate by: those asked for, or every float initializer from which a gradient path leads to the
 * loss, but for running statistics, which are measured and not learned, and for the numbers that masks are filled with.
 * @param known - all values of the graph
 * @returns each once
 * @throws GraftError UNKNOWN_VALUE, INVALID_ARGUMENT where none is asked for, or NO_GRADIENT_RULE for a value that holds no floats and where there is none.
 */
export function chooseParameters(
  graph: Graph,
  { loss, parameters }: { readonly loss: string; readonly parameters: 'all' | readonly string[] },
  known: ReadonlySet<string>,
  ruleOf: RuleTable,
): readonly string[] {
  assertFloats(graph, [loss], known);
  if (parameters !== 'all') {
    if (parameters.length === 0)
      throw invalidArgument('parameters', "one value or more, or 'all'", parameters);
    assertFloats(graph, parameters, known);
    return [...new Set(parameters)];
  }
  const statistics = runningStatistics(graph);
  const floats = [...graph.initializers].filter(
    ([name, initializer]) =>
      /^float(16|32|64)$/.test(initializer.dtype) && !statistics.has(name) && !fillsMask(initializer),
  );
  const found = reaching(graph, floats.map(([name]) => name), [loss], ruleOf); // prettier-ignore
  if (found.length > 0) return found;
  throw new GraftError(
    'NO_GRADIENT_RULE',
    `No gradient of "${loss}" reaches any float initializer of the model.`,
  );
}

/** Whether it holds infinities, or numbers that stand for them: there is no step that they could be moved by. */
function fillsMask(initializer: Initializer): boolean {
  if (sizeOf(initializer.dims) > mostMasked || initializer.content.kind === 'strings') return false;
  return toFloat32(toTensor(initializer)).some((value) => Math.abs(value) > 1e30);
}

/** A mask of 512 by 512 positions; larger ones are not looked into. */
const mostMasked = 2 ** 18;

/** What is read as mean or variance of a BatchNormalization, and nowhere else. */
function runningStatistics({ nodes }: Graph): ReadonlySet<string> {
  const isBatchNorm = ({ opType }: Node): boolean => opType === 'BatchNormalization';
  const statistics = new Set(nodes.filter(isBatchNorm).flatMap(({ inputs }) => inputs.slice(3)));
  for (const node of nodes) {
    const others = isBatchNorm(node) ? node.inputs.slice(0, 3) : valuesRead(node);
    for (const value of others) statistics.delete(value);
  }
  return statistics;
}

function assertFloats(graph: Graph, names: readonly string[], known: ReadonlySet<string>): void {
  for (const name of names) {
    if (!known.has(name)) {
      const near = nearNames(name, known).join(', ');
      throw new GraftError('UNKNOWN_VALUE', `The graph holds no value "${name}". Near it: ${near}.`);
    }
    const type = [...graph.inputs, ...graph.outputs].find((value) => value.name === name)?.type;
    const dtype = graph.initializers.get(name)?.dtype ?? (type?.kind === 'tensor' ? type.dtype : undefined);
    if (dtype === undefined || isFloat(dtype)) continue;
    throw new GraftError('NO_GRADIENT_RULE', `"${name}" holds ${dtype} numbers; only floats have gradients.`);
  }
}
