import { GraftError } from '../../errors.js';
import { int64 } from '../../tensor/tensor.js';
import { reshapeLike } from '../append.js';
import type { RuleContext } from '../gradient-rule.js';

/**
 * The gradient of any operator that only picks elements of its first input: run on the positions 0, 1, 2, … in place
 * of the values, the operator says where each output came from, and dY is added there.
 * @param isOneToOne - no element is picked twice, so that nothing need be added
 */
export function moveBackByIndex(
  at: RuleContext,
  dY: string,
  { isOneToOne = false }: { readonly isOneToOne?: boolean } = {},
): string {
  const x = at.x[0]!;
  const minus1 = at.builder.ints([-1]);
  const count = at.op('Size', [x]);
  const zero = at.builder.shared('const/int64/0', int64([], [0]));
  const one = at.builder.shared('const/int64/1', int64([], [1]));
  const positions = reshapeLike(at, at.op('Range', [zero, count, one]), x);
  const origin = at.builder.freshName(`grad/${at.node.name || at.y[0]}/origin`);
  at.builder.nodes.push({
    ...at.node,
    name: origin,
    inputs: [positions, ...at.x.slice(1)],
    outputs: [origin],
  });
  const zeros = at.op('Expand', [at.scalar(0), at.op('Reshape', [count, minus1])]);
  const indices = at.op('Reshape', [origin, at.builder.ints([-1, 1])]);
  const updates = at.op('Reshape', [dY, minus1]);
  const moved =
    isOneToOne && at.opset >= 11
      ? at.op('ScatterND', [zeros, indices, updates])
      : scatterAdd(at, zeros, indices, updates);
  return reshapeLike(at, moved, x);
}

/** `zeros` with the rows of `updates` added at `indices` [..., depth]: ScatterND, which adds from opset 16 on. */
export function scatterAdd(at: RuleContext, zeros: string, indices: string, updates: string): string {
  requireAddition(at);
  return at.op('ScatterND', [zeros, indices, updates], { reduction: 'add' });
}

/** @throws GraftError NO_GRADIENT_RULE below opset 16, where nothing adds several values in one place. */
export function requireAddition(at: RuleContext): void {
  if (at.opset >= 16) return;
  throw new GraftError(
    'NO_GRADIENT_RULE',
    `The gradient of ${at.node.opType} "${at.node.name || at.y[0]}" needs ONNX operator set 16 or later; the model has ${at.opset}. ` +
      'Convert it to a later one.',
  );
}
