/** The graph behind an exact step: from features, parameters and targets to sums of losses and gradients. */
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import type { Precision } from '../tasks/loss-tape.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { appendHoldOut } from './append-hold-out.js';
import { feedTransposed } from './feed-transposed.js';
import { replicatedDims } from './parameter-layout.js';
import { buildGradientGraph, trainingOpset } from './gradient-graph.js';

export interface ExactGraphOptions {
  readonly spec: HeadSpec;
  readonly task: TaskKind;
  readonly dim: number;
  /** Classes, labels, or numbers that are predicted. */
  readonly outputCount: number;
  /** Of what follows the logits; `float64` with `isAnchored`. */
  readonly precision: Precision;
  readonly loss?: LossSpec | undefined;
  readonly classWeights?: Float32Array | undefined;
  readonly targetScale?: Float64Array | undefined;
  readonly hasFolds: boolean;
  /** The parameters are differences from an anchor, float32, and so are the gradients. */
  readonly isAnchored: boolean;
  /** Whether logits and slopes are outputs too. */
  readonly keepsLogits: boolean;
}

export interface ExactGraph {
  readonly model: Model;
  /** Names of inputs; the parameters go by their own, `targets` is float32 [batch, outputs], one-hot of labels. */
  readonly inputs: {
    readonly features: string;
    /** Features once more, [dim, batch], where the gradient reads them so. */
    readonly transposed: string | undefined;
    readonly targets: string;
    readonly fold: string;
    readonly heldOut: string;
    /** Of an anchored graph: float64 [batch, logits], at the anchor. */
    readonly anchorLogits: string;
    readonly anchorSlopes: string;
  };
  readonly outputs: {
    /** float64 [replicas] */
    readonly sums: string;
    readonly gradients: ReadonlyMap<string, string>;
    /** [batch, logits], and the gradient of the losses by them. */
    readonly logits: string;
    readonly slopes: string;
  };
}

export async function buildExactGraph(options: ExactGraphOptions): Promise<ExactGraph> {
  const { spec, dim, outputCount, precision, loss = {}, classWeights, targetScale, isAnchored } = options;
  const task = taskOf(options.task);
  const head = buildHead(spec, { dim, outputCount, task: task.kind });
  const builder = new GraphBuilder({ opset: trainingOpset });
  const cast = (value: string, to: Precision, name: string): string =>
    builder.op('Cast', [value], { name, attributes: { to: dtypeInfo(to).code } });
  const widened = (value: string, name: string): string =>
    precision === 'float32' ? value : cast(value, precision, name);

  const inputs = {
    features: builder.input('features', 'float32', ['batch', dim]),
    targets: builder.input('targets', 'float32', ['batch', outputCount]),
    fold: 'fold',
    heldOut: 'held_out',
    anchorLogits: 'anchor/logits',
    anchorSlopes: 'anchor/slopes',
  };
  const products: Precision = isAnchored ? 'float32' : precision;
  for (const [name, dims] of head.parameters) {
    builder.input(name, products, replicatedDims(dims));
  }
  const names = [...head.parameters.keys()];
  const rawLogits = head.append(
    builder,
    isAnchored ? inputs.features : widened(inputs.features, 'features64'),
    new Map(names.map((name) => [name, name])),
    { precision: products },
  );
  let logits = rawLogits;
  if (isAnchored) {
    builder.input(inputs.anchorLogits, 'float64', ['batch', 'logits']);
    builder.input(inputs.anchorSlopes, 'float64', ['batch', 'logits']);
    logits = builder.op('Add', [inputs.anchorLogits, cast(rawLogits, 'float64', 'difference')], {
      name: 'anchor/sum',
    });
  }
  // From here on an example is a row for each of its replicas: [batch · replicas, ..].
  const width = task.readout(outputCount).logits;
  let rows = logits;
  let target = widened(inputs.targets, 'targets64');
  const replicas = options.hasFolds
    ? builder.op('Shape', [builder.input(inputs.heldOut, 'int32', ['replicas'])], { name: 'replicas' })
    : undefined;
  if (replicas !== undefined) {
    rows = builder.op('Reshape', [logits, builder.ints([-1, width])], { name: 'loss/logits' });
    target = repeatRows(builder, target, replicas, outputCount);
  }
  let { losses, dLogits } = task.appendExactLoss(builder, {
    ...{ logits: rows, target, outputCount, precision, loss, classWeights, targetScale },
  });
  let slopes = dLogits;
  if (replicas !== undefined) {
    const ofExample = builder.input(inputs.fold, 'int32', ['batch']);
    ({ losses, dLogits } = appendHoldOut(
      builder,
      { losses, dLogits },
      { ofExample, heldOut: inputs.heldOut },
      { width, precision },
    ));
    const matrix = builder.op('Concat', [builder.ints([-1]), replicas], { attributes: { axis: 0 } });
    losses = builder.op('Reshape', [losses, matrix], { name: 'loss/by_replica' });
    slopes = builder.op('Reshape', [dLogits, builder.op('Shape', [logits])], { name: 'grad/logits' });
  }
  const sums = builder.op('ReduceSum', [losses, builder.ints([0])], {
    name: 'loss/sums',
    attributes: { keepdims: replicas === undefined ? 1 : 0 },
  });
  builder.output(sums, 'float64', ['replicas']);
  if (options.keepsLogits) {
    for (const value of [logits, slopes]) builder.output(value, precision, ['batch', 'logits']);
  }
  const seed = isAnchored
    ? cast(builder.op('Sub', [slopes, inputs.anchorSlopes], { name: 'anchor/excess' }), 'float32', 'excess')
    : slopes;
  const { model, gradients } = await buildGradientGraph(builder, {
    logits: rawLogits,
    dLogits: seed,
    parameters: names,
    inputDims: new Map<string, readonly number[]>([
      [inputs.features, [2, dim]],
      [inputs.targets, [2, outputCount]],
      ...(options.hasFolds
        ? ([
            [inputs.fold, [2]],
            [inputs.heldOut, [1]],
          ] as const)
        : []),
      ...head.parameters,
      ...(isAnchored
        ? ([inputs.anchorLogits, inputs.anchorSlopes] as const).map((name) => [name, [2, width]] as const)
        : []),
    ]),
  });
  const turned = feedTransposed(model, inputs.features);
  return {
    model: turned?.model ?? model,
    inputs: { ...inputs, transposed: turned?.transposed },
    outputs: { sums, gradients, logits, slopes },
  };
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
