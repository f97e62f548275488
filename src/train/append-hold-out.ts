import type { GraphBuilder } from '../onnx/graph-builder.js';
import { lossTape, type Precision } from '../tasks/loss-tape.js';

/**
 * Examples of the fold that a replica leaves out weigh nothing for it.
 * @param fold - `ofExample` [batch] and `heldOut` [replicas], int32
 * @param losses - [batch · replicas]; `dLogits` is [batch · replicas, width]
 */
export function appendHoldOut(
  builder: GraphBuilder,
  { losses, dLogits }: { losses: string; dLogits: string },
  fold: { readonly ofExample: string; readonly heldOut: string },
  { width, precision }: { readonly width: number; readonly precision: Precision },
) {
  const { op, cast, toFloat64, asColumn, spread } = lossTape(builder, precision);
  const isHeldOut = op('Equal', [asColumn(fold.ofExample, 'fold'), fold.heldOut], 'is_held_out');
  const isKept = op('Reshape', [op('Not', [isHeldOut], 'is_kept'), builder.ints([-1])], 'kept_rows');
  const kept = cast(isKept, 'kept');
  return {
    losses: op('Mul', [losses, toFloat64(kept, 'kept64')], 'kept_loss'),
    dLogits: op('Mul', [dLogits, spread(kept, width, 'kept_spread')], 'kept_dz'),
  };
}
