/** What must hold of a graph before anything works on it. */
import { GraftError } from '../errors.js';
import { subgraphs } from './attributes.js';
import type { Graph } from './ir.js';

/**
 * @param outer - names that an enclosing graph defines
 * @throws GraftError INVALID_MODEL for a value defined twice, or used before (or without) being defined.
 */
export function validateGraph(graph: Graph, path: string, outer: ReadonlySet<string> = new Set()): void {
  const defined = new Set(outer);
  const define = (name: string, by: string): void => {
    if (defined.has(name))
      throw new GraftError('INVALID_MODEL', `${path} defines the value "${name}" twice, again by ${by}.`);
    defined.add(name);
  };
  for (const { name } of graph.inputs) define(name, 'an input');
  for (const name of graph.initializers.keys()) if (!defined.has(name)) define(name, 'an initializer');
  for (const { values } of graph.sparseInitializers)
    if (!defined.has(values.name)) define(values.name, 'an initializer');
  for (const node of graph.nodes) {
    const label = `${node.opType} "${node.name || node.outputs[0] || ''}"`;
    for (const input of node.inputs) {
      if (input !== '' && !defined.has(input)) {
        throw new GraftError(
          'INVALID_MODEL',
          `${label} of ${path} uses the value "${input}", which nothing before it defines.`,
        );
      }
    }
    for (const body of subgraphs(node)) validateGraph(body, path, defined);
    for (const output of node.outputs) if (output !== '') define(output, label);
  }
  for (const { name } of graph.outputs) {
    if (!defined.has(name))
      throw new GraftError('INVALID_MODEL', `Nothing in ${path} defines its output "${name}".`);
  }
}
