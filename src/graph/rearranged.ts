import { sizeOf } from '../tensor/shape.js';
import type { DataFlow } from './data-flow.js';
import { linearLayer } from './linear-layer.js';
import type { ValueLayouts } from './value-layout.js';

const moving: ReadonlySet<string> = new Set([
  'Concat',
  'Identity',
  'Reshape',
  'Slice',
  'SpaceToDepth',
  'Split',
  'Squeeze',
  'Transpose',
  'Unsqueeze',
]);

/**
 * The values whose channels are those of several places side by side, as Swin's merged patches are: all numbers of a value with
 * fewer channels, moved, and at most normalised. They are wide only until the next layer.
 */
export function rearranged(flow: DataFlow, layouts: ValueLayouts): ReadonlySet<string> {
  // Of each value the one whose numbers it holds: itself where it is computed anew.
  const origins = new Map<string, string>();
  const originOf = (value: string): string => origins.get(value) ?? value;
  const { shape: shapeOf, channels } = layouts;
  const found = new Set<string>();
  for (const node of flow.graph.nodes) {
    const inputs = flow.inputs(node);
    if (inputs.length === 0 || linearLayer(node, flow)) continue;
    for (const output of flow.outputs(node)) {
      const isMoved = moving.has(node.opType);
      const same = isMoved ? inputs : inputs.filter((input) => isOfShape(input, output));
      const [origin, ...others] = new Set(same.map(originOf));
      if (origin === undefined || others.length > 0) continue;
      origins.set(output, origin);
      const isWhole = sizeOf(shapeOf(output)) === sizeOf(shapeOf(origin));
      const isWider = shapeOf(origin).length >= 3 && channels(output) > channels(origin);
      if (shapeOf(output).length === 4 && isWhole && isWider) found.add(output);
    }
  }
  return found;

  function isOfShape(a: string, b: string): boolean {
    return shapeOf(a).join() === shapeOf(b).join();
  }
}
