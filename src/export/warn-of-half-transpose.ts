import { factsOf } from '../graph/value-facts.js';
import type { Logger } from '../logger.js';
import type { Graph } from '../onnx/ir.js';

/** What ends a process that opens the file: see `runtime/open-on-provider.ts`, where Graft avoids it. */
export function warnOfHalfTranspose(graph: Graph, logger: Logger | undefined): void {
  const turned = new Set(
    graph.nodes.flatMap(({ opType, outputs }) => (opType === 'Transpose' ? outputs : [])),
  );
  const { dtypeOf } = factsOf(graph);
  const product = graph.nodes.find(
    ({ opType, inputs }) =>
      opType === 'MatMul' &&
      inputs.some((name) => turned.has(name)) &&
      inputs.some((name) => dtypeOf(name) === 'float16'),
  );
  if (!product) return;
  logger?.warn(
    `The file has a Transpose before a MatMul in float16 ("${product.name}"), on which ONNX Runtime up to 1.32 may crash on a CPU. Open it there with ` +
      'graph optimisation level "extended", or export the backbone in float32.',
  );
}
