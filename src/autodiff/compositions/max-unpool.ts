/** Y = 0, then Y[I] = X, with indices I into the whole of Y as one row. */
import { sizeOf } from '../../tensor/shape.js';
import type { Composition } from './composition.js';

export const maxUnpool: Composition = (at) => {
  if (at.opset < 11) at.refuse('to be scattered, which came with opset 11');
  const [X, I] = at.x as readonly [string, string];
  const shape = at.shapeOf(at.node.outputs[0]!);
  const size = sizeOf(shape);
  const row = at.ints([-1]);
  const flat = (value: string): string =>
    at.op('Reshape', [value, row], { shape: [sizeOf(at.shapeOf(value))] });
  // The batch may be another at run time.
  const read = at.op('Shape', [X], { shape: [shape.length] });
  const leading = at.op('Gather', [read, at.ints([0, 1])], { shape: [2] });
  const sizes = at.op('Concat', [leading, at.ints(shape.slice(2))], {
    attributes: { axis: 0 },
    shape: [shape.length],
  });
  const zeros = flat(at.op('Expand', [at.scalar(0), sizes], { shape }));
  const filled = at.op('ScatterElements', [zeros, flat(I), flat(X)], {
    attributes: { axis: 0 },
    shape: [size],
  });
  return at.op('Reshape', [filled, sizes], { shape });
};
