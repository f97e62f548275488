/**
 * The sum of all losses and its gradient as an ONNX graph, exact enough to converge on: for L-BFGS.
 *
 * Several replicas of a linear head may stand side by side in the columns of its layer; they share one pass over the
 * features. The task writes the loss; its sums are float64. Even so, rounded matrix products leave float32 about a
 * millionth away from the optimum of a hard problem; in float64 a run takes about three times as long and has no such
 * floor.
 */
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { lossTape, type Precision } from '../tasks/loss-tape.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { checked, type Tensor } from '../tensor/tensor.js';
import { blocksOf, type FeatureBlock } from './feature-blocks.js';
import type { AnyFeatureSet } from './feature-set.js';
import { feedTransposed } from './feed-transposed.js';
import { buildGradientGraph, trainingOpset } from './gradient-graph.js';
import { openTransposedBlocks, type TransposedBlock } from './transposed-blocks.js';

export interface ExactStepOptions {
  readonly spec: HeadSpec;
  readonly task: TaskKind;
  readonly train: AnyFeatureSet;
  /** Of the parameters and of everything computed; the features are float32. */
  readonly precision?: Precision;
  readonly loss?: LossSpec | undefined;
  /** As the task's `balance` gives them. */
  readonly classWeights?: Float32Array | undefined;
  /** What targets that are numbers were divided by, [classes]. */
  readonly targetScale?: Float64Array | undefined;
  /** Fold of each example, for replicas that each leave one fold out. */
  readonly folds?: Int32Array | undefined;
  readonly threads?: number | undefined;
}

export interface ExactResult {
  /** Sum of the losses of each replica. */
  readonly losses: Float64Array;
  /** Gradient of that sum by each parameter; float64 sums over runs of float32. */
  readonly gradients: ReadonlyMap<string, Float64Array>;
}

export interface ExactStep {
  readonly precision: Precision;
  /**
   * @param parameters - of all replicas, side by side in the last axis
   * @param heldOut - the fold that each replica leaves out; needed where there are folds
   */
  evaluate(parameters: ReadonlyMap<string, Tensor>, heldOut?: Int32Array): Promise<ExactResult>;
  release(): Promise<void>;
}

export async function openExactStep(options: ExactStepOptions): Promise<ExactStep> {
  const { spec, train, folds, precision = 'float32', loss = {}, classWeights, targetScale } = options;
  const { dim } = train;
  const outputCount = train.classes.length;
  const task = taskOf(options.task);
  const head = buildHead(spec, { dim, outputCount, task: task.kind });
  const builder = new GraphBuilder({ opset: trainingOpset });
  const features = builder.input('features', 'float32', ['batch', dim]);
  const hasLabels = task.targetForm === 'label';
  const targets = hasLabels
    ? builder.input('labels', 'int32', ['batch'])
    : builder.input('targets', 'float32', ['batch', outputCount]);
  for (const [name, dims] of head.parameters) {
    builder.input(name, precision, [...dims.slice(0, -1), `${name}/columns`]);
  }
  const names = [...head.parameters.keys()];
  const cast = (value: string, name: string): string =>
    precision === 'float32'
      ? value
      : builder.op('Cast', [value], { name, attributes: { to: dtypeInfo(precision).code } });
  const rawLogits = head.append(
    builder,
    cast(features, 'features64'),
    new Map(names.map((name) => [name, name])),
    {
      precision,
    },
  );
  const fold = folds && {
    ofExample: builder.input('fold', 'int32', ['batch']),
    heldOut: builder.input('held_out', 'int32', ['replicas']),
  };
  // [batch, replicas, logits]; targets have one replica, which is broadcast.
  const width = task.readout(outputCount).logits;
  const z = builder.op('Reshape', [rawLogits, builder.ints([0, -1, width])], { name: 'loss/logits' });
  let { losses, dLogits } = task.appendExactLoss(builder, {
    logits: z,
    target: hasLabels
      ? targets
      : builder.op('Unsqueeze', [cast(targets, 'targets64'), builder.ints([1])], { name: 'loss/targets' }),
    outputCount,
    precision,
    loss,
    classWeights,
    targetScale,
  });
  if (fold) ({ losses, dLogits } = appendHoldOut(builder, { losses, dLogits }, fold, precision));
  const sums = builder.op('ReduceSum', [losses, builder.ints([0])], {
    name: 'loss/sums',
    attributes: { keepdims: 0 },
  });
  builder.output(sums, 'float64', ['replicas', 1]);
  const differentiated = await buildGradientGraph(builder, {
    logits: rawLogits,
    dLogits: builder.op('Reshape', [dLogits, builder.ints([0, -1])], { name: 'grad/logits' }),
    parameters: names,
    inputDims: new Map<string, readonly number[]>([
      [features, [2, dim]],
      [targets, hasLabels ? [2] : [2, outputCount]],
      ...(fold ? ([[fold.ofExample, [2]]] as const) : []),
      ...head.parameters,
    ]),
  });
  const { gradients } = differentiated;
  const turned = feedTransposed(differentiated.model, features);
  const session = await openSession(
    encodeModel(turned?.model ?? differentiated.model),
    options.threads === undefined ? {} : { threads: options.threads },
  );
  const transposes = turned && (await openTransposedBlocks(train, options.threads));
  const pass: () => AsyncGenerator<FeatureBlock & Partial<TransposedBlock>> =
    transposes?.pass ?? blocksOf(train);
  return {
    precision,
    async evaluate(parameters, heldOut) {
      let found: Float64Array | undefined;
      const total = new Map<string, Float64Array>();
      for await (const { from: row, to: end, values, transposed } of pass()) {
        const outputs = await session.run({
          [features]: checked('float32', [end - row, dim], values),
          ...(turned && { [turned.transposed]: checked('float32', [dim, end - row], transposed!) }),
          [targets]: hasLabels
            ? { dtype: 'int32', dims: [end - row], data: train.labels.subarray(row, end) }
            : checked(
                'float32',
                [end - row, outputCount],
                train.targets!.subarray(row * outputCount, end * outputCount),
              ),
          ...(fold && {
            [fold.ofExample]: { dtype: 'int32', dims: [end - row], data: folds.subarray(row, end) },
            [fold.heldOut]: { dtype: 'int32', dims: [heldOut!.length], data: heldOut! },
          }),
          ...Object.fromEntries(parameters),
        });
        found = added(found, outputs[sums]!.data as Float64Array);
        for (const [name, gradient] of gradients) {
          total.set(name, added(total.get(name), outputs[gradient]!.data as Float32Array | Float64Array));
        }
      }
      return { losses: found!, gradients: total };
    },
    async release() {
      await Promise.all([session.release(), transposes?.release()]);
    },
  };
}

/** Examples of the fold that a replica leaves out weigh nothing for it. */
function appendHoldOut(
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

function added(sum: Float64Array | undefined, part: ArrayLike<number>): Float64Array {
  if (!sum) return Float64Array.from(part);
  for (let i = 0; i < sum.length; i++) sum[i]! += part[i]!;
  return sum;
}
