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
  /** Names of inputs; the parameters go by their own, `targets` is int32 labels or float32 numbers. */
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
    /** float64 [replicas, 1] */
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
    targets:
      task.targetForm === 'label'
        ? builder.input('labels', 'int32', ['batch'])
        : builder.input('targets', 'float32', ['batch', outputCount]),
    fold: 'fold',
    heldOut: 'held_out',
    anchorLogits: 'anchor/logits',
    anchorSlopes: 'anchor/slopes',
  };
  const products: Precision = isAnchored ? 'float32' : precision;
  for (const [name, dims] of head.parameters) {
    builder.input(name, products, [...dims.slice(0, -1), `${name}/columns`]);
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
  // [batch, replicas, logits]; targets have one replica, which is broadcast.
  const width = task.readout(outputCount).logits;
  let { losses, dLogits } = task.appendExactLoss(builder, {
    logits: builder.op('Reshape', [logits, builder.ints([0, -1, width])], { name: 'loss/logits' }),
    target:
      task.targetForm === 'label'
        ? inputs.targets
        : builder.op('Unsqueeze', [widened(inputs.targets, 'targets64'), builder.ints([1])], {
            name: 'loss/targets',
          }),
    outputCount,
    precision,
    loss,
    classWeights,
    targetScale,
  });
  if (options.hasFolds) {
    const fold = {
      ofExample: builder.input(inputs.fold, 'int32', ['batch']),
      heldOut: builder.input(inputs.heldOut, 'int32', ['replicas']),
    };
    ({ losses, dLogits } = appendHoldOut(builder, { losses, dLogits }, fold, precision));
  }
  const sums = builder.op('ReduceSum', [losses, builder.ints([0])], {
    name: 'loss/sums',
    attributes: { keepdims: 0 },
  });
  builder.output(sums, 'float64', ['replicas', 1]);
  const slopes = builder.op('Reshape', [dLogits, builder.ints([0, -1])], { name: 'grad/logits' });
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
      [inputs.targets, task.targetForm === 'label' ? [2] : [2, outputCount]],
      ...(options.hasFolds ? ([[inputs.fold, [2]]] as const) : []),
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
