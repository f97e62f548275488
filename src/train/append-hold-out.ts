import type { GraphBuilder } from '../onnx/graph-builder.js';
import { lossTape, type Precision } from '../tasks/loss-tape.js';

/** Examples of the fold that a replica leaves out weigh nothing for it. */
export function appendHoldOut(
  builder: GraphBuilder,
  { losses, dLogits }: { losses: string; dLogits: string },
  fold: { readonly ofExample: string; readonly heldOut: string },
  precision: Precision,
) {
  const { op, cast, toFloat64 } = lossTape(builder, precision);
  const ofExample = op('Unsqueeze', [fold.ofExample, builder.ints([1, 2])], 'fold');
  const heldOut = op('Unsqueeze', [fold.heldOut, builder.ints([1])], 'held_out_fold');
  const isKept = op('Not', [op('Equal', [ofExample, heldOut], 'is_held_out')], 'is_kept');
  const kept = cast(isKept, 'kept');
  return {
    losses: op('Mul', [losses, toFloat64(kept, 'kept64')], 'kept_loss'),
    dLogits: op('Mul', [dLogits, kept], 'kept_dz'),
  };
}
