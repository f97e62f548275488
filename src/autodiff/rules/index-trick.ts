import { GraftError } from '../../errors.js';
import { int64 } from '../../tensor/tensor.js';
import { reshapeLike } from '../append.js';
import type { RuleContext } from '../gradient-rule.js';

/**
 * The gradient of any operator that only picks elements of its first input: run on the positions 0, 1, 2, … in place
 * of the values, the operator says where each output came from, and dY is added there.
 * @param isOneToOne - no element is picked twice, so that nothing need be added
 * @param others - the operator's other inputs
 */
export function moveBackByIndex(
  at: RuleContext,
  dY: string,
  {
    isOneToOne = false,
    others = at.x.slice(1),
  }: { readonly isOneToOne?: boolean; readonly others?: readonly string[] } = {},
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
    inputs: [positions, ...others],
    outputs: [origin],
  });
  const zeros = at.op('Expand', [at.scalar(0), at.op('Reshape', [count, minus1])]);
  const updates = at.op('Reshape', [dY, minus1]);
  if (isOneToOne && at.opset >= 11) {
    const indices = at.op('Reshape', [origin, at.builder.ints([-1, 1])]);
    return reshapeLike(at, at.op('ScatterND', [zeros, indices, updates]), x);
  }
  requireAddition(at);
  const moved = addAt(at, zeros, at.op('Reshape', [origin, minus1]), updates);
  return reshapeLike(at, moved, x);
}

/** `zeros` [rows, …] with each of `updates` [count, …] added to the row that `indices` (int64, as many) says. */
export function addRows(at: RuleContext, zeros: string, indices: string, updates: string): string {
  requireAddition(at);
  const table = at.op('Reshape', [zeros, at.builder.ints([0, -1])]);
  const width = at.op('Gather', [at.op('Shape', [table]), at.builder.ints([1])], { axis: 0 });
  const rows = at.op('Reshape', [updates, at.op('Concat', [at.builder.ints([-1]), width], { axis: 0 })]);
  const column = at.op('Reshape', [indices, at.builder.ints([-1, 1])]);
  const places = at.op('Expand', [column, at.op('Shape', [rows])]);
  return at.op('Reshape', [addAt(at, table, places, rows), at.op('Shape', [zeros])]);
}

/** ScatterND could do the same, but ONNX Runtime's threads then add to one place at once, and lose some of it. */
function addAt(at: RuleContext, zeros: string, indices: string, updates: string): string {
  return at.op('ScatterElements', [zeros, indices, updates], { axis: 0, reduction: 'add' });
}

/**
 * Whether a scatter may add; the ways round it before opset 16 are products of float32.
 * @throws GraftError NO_GRADIENT_RULE for another type before it.
 */
export function addsByIndex(at: RuleContext): boolean {
  if (at.dtypeOf(at.x[0]!) !== 'float32') requireAddition(at);
  return at.opset >= 16;
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
