/** Values of the inside of an attention that have the axes of maps: tokens whose numbers are divided among heads. */
import type { DataFlow } from './data-flow.js';
import { linearLayer } from './linear-layer.js';
import type { ValueLayouts } from './value-layout.js';

/**
 * From each Reshape of tokens [1, T, C] to [1, T, heads, C / heads], where more axes may stand between, up to the next layer of weights
 * or the Reshape that joins the heads again.
 */
export function attentionHeads(flow: DataFlow, layouts: ValueLayouts): ReadonlySet<string> {
  const heads = new Set<string>();
  for (const node of flow.graph.nodes) {
    const inputs = flow.inputs(node);
    const [first] = inputs;
    if (first === undefined) continue;
    const divides = node.opType === 'Reshape' && dividesTokens(first, node.outputs[0]!);
    const goesOn = inputs.some((value) => heads.has(value));
    if (!divides && (!goesOn || linearLayer(node, flow))) continue;
    for (const value of flow.outputs(node)) if (layouts.shape(value).length >= 4) heads.add(value);
  }
  return heads;

  function dividesTokens(tokens: string, divided: string): boolean {
    const from = layouts.shape(tokens);
    const [batch, count, ...numbers] = layouts.shape(divided);
    if (from.length > 3 || batch !== 1 || numbers.length < 2) return false;
    // [1, C, H·W] to maps.
    if (from.length === 3 && layouts.layout(tokens) !== 'channelsLast') return false;
    const size = numbers.reduce((product, dim) => product * dim, 1);
    return count === from.at(-2) && size === from.at(-1);
  }
}
