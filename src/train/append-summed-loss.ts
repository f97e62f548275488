/** The losses of a graph's examples, summed for each replica over those that it learns from. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { ExactLossInput, Task } from '../tasks/task.js';
import { appendHoldOut } from './append-hold-out.js';

export interface SummedLoss {
  /** float64 [replicas]; of one head [1]. */
  readonly sums: string;
  /** The gradient of the losses by the logits, of their shape. */
  readonly slopes: string;
}

/**
 * @param input - `logits` are [batch, replicas · logits] and `target` [batch, outputs]
 * @param fold - names for inputs: `ofExample` int32 [batch], `heldOut` int32 [replicas]; undefined where one head learns from all examples
 */
export function appendSummedLoss(
  builder: GraphBuilder,
  task: Task,
  input: ExactLossInput,
  fold: { readonly ofExample: string; readonly heldOut: string } | undefined,
): SummedLoss {
  if (!fold) {
    const { losses, dLogits } = task.appendExactLoss(builder, input);
    return { sums: sumRows(builder, losses, 1), slopes: dLogits };
  }
  const { logits, outputCount, precision } = input;
  const width = task.readout(outputCount).logits;
  const heldOut = builder.input(fold.heldOut, 'int32', ['replicas']);
  const replicas = builder.op('Shape', [heldOut], { name: 'replicas' });
  // From here on an example is a row for each of its replicas: [batch · replicas, ..].
  const all = task.appendExactLoss(builder, {
    ...input,
    logits: builder.op('Reshape', [logits, builder.ints([-1, width])], { name: 'loss/logits' }),
    target: repeatRows(builder, input.target, replicas, outputCount),
  });
  const ofExample = builder.input(fold.ofExample, 'int32', ['batch']);
  const kept = appendHoldOut(builder, all, { ofExample, heldOut }, { width, precision });
  const matrix = builder.op('Concat', [builder.ints([-1]), replicas], { attributes: { axis: 0 } });
  const losses = builder.op('Reshape', [kept.losses, matrix], { name: 'loss/by_replica' });
  const shape = builder.op('Shape', [logits]);
  return {
    sums: sumRows(builder, losses, 0),
    slopes: builder.op('Reshape', [kept.dLogits, shape], { name: 'grad/logits' }),
  };
}

function sumRows(builder: GraphBuilder, losses: string, keepdims: 0 | 1): string {
  return builder.op('ReduceSum', [losses, builder.ints([0])], {
    name: 'loss/sums',
    attributes: { keepdims },
  });
}

/** [rows, columns] → [rows · replicas, columns], each row `replicas` times. */
function repeatRows(builder: GraphBuilder, value: string, replicas: string, columns: number): string {
  const op = (opType: string, inputs: readonly string[], name: string): string =>
    builder.op(opType, inputs, { name: `loss/targets/${name}` });
  const one = builder.ints([1]);
  const shape = builder.op('Concat', [one, replicas, one], { attributes: { axis: 0 } });
  const repeated = op('Expand', [op('Unsqueeze', [value, one], 'apart'), shape], 'repeated');
  return op('Reshape', [repeated, builder.ints([-1, columns])], 'rows');
}
