import type { DataFlow } from './data-flow.js';
import { scoring } from './ending-operators.js';
import { linearLayer } from './linear-layer.js';
import type { ValueLayouts } from './value-layout.js';

/** No model shapes a map in more steps than that. */
const mostSteps = 64;

/**
 * Whether [N, H, W] is a map of one number a place, as of depth: what a convolution gave as [N, 1, H, W], without the axis of
 * its channels. By its shape alone it would be H tokens of W numbers.
 */
export function isFlatMap(value: string, flow: DataFlow, layouts: ValueLayouts): boolean {
  if (layouts.shape(value).length !== 3) return false;
  let name = value;
  for (let steps = 0; steps < mostSteps; steps++) {
    const node = flow.producer(name);
    if (!node) return false;
    if (linearLayer(node, flow)?.kind === 'convolution') return layouts.shape(name).length === 4;
    const [input, ...others] = flow.inputs(node);
    const isShaping = scoring.has(node.opType) || node.opType === 'Resize' || node.opType === 'Upsample';
    if (input === undefined || others.length > 0 || !isShaping) return false;
    const [to, from] = [layouts.shape(name), layouts.shape(input)];
    // Places that become tokens are counted through, those of a map stay rows and columns.
    if (from.length !== to.length && from.slice(-2).join() !== to.slice(-2).join()) return false;
    name = input;
  }
  return false;
}
