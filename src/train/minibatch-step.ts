/**
 * The step of AdamW and SGD as an ONNX graph: rows of the training part in, gradients of their mean loss out.
 *
 *   X = features[rows]    T = targets[rows]    dLogits = gradient of the task's loss · scale    scale = 1 / rows
 *
 * The rows are copied here: a Gather inside the graph takes two to four times as long. Every output is written into memory that is
 * allocated once.
 */
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import { createRng, type Rng } from '../rng.js';
import type { TensorMap } from '../runtime/session.js';
import { massTable, selectTargets } from '../tasks/targets.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { type AnyFeatureSet, isInMemory } from './feature-set.js';
import { appendDropout, appendMixing } from './batch-noise.js';
import { buildGradientGraph, trainingOpset } from './gradient-graph.js';
import { appendReplicas } from './replica-head.js';
import { copyRows } from './row-source.js';

export interface MinibatchStep {
  /**
   * Leaves the gradients of the mean loss in their memory.
   * @param rows - indices into the training part
   * @param values - their features, [rows, dim], where the training part is not in memory
   * @param outputs - takes what the weights predicted for them (as dropout and mixup had them), [rows, outputs];
   *   of replicas, one after another
   * @param rng - drawn from for dropout and mixup
   * @param shares - what each row counts in the mean; default: all alike. Of lanes, for each its own mean
   */
  run(
    rows: Int32Array,
    outputs: Float32Array,
    rng: Rng,
    values?: Float32Array,
    shares?: Float32Array,
  ): Promise<void>;
  release(): Promise<void>;
}

export interface MinibatchStepOptions {
  readonly spec: HeadSpec;
  readonly task: TaskKind;
  readonly train: AnyFeatureSet;
  /** Read on every run: the caller changes them in place. Of replicas, [replicas, ...dims] each. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Memory for the gradient by each. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** Heads that learn side by side from the same batches; default: one, without an axis for it. */
  readonly replicas?: number | undefined;
  /**
   * Of the replicas, groups of equal size that each have batches of their own, of one length: the rows of a run are those of the
   * first lane, then those of the second, …, and so are the replicas. Not with dropout, nor mixup. Default: 1.
   */
  readonly lanes?: number | undefined;
  readonly loss?: LossSpec | undefined;
  /** As the task's `balance` gives them. */
  readonly classWeights?: Float32Array | undefined;
  /** What targets that are numbers were divided by, [classes]. */
  readonly targetScale?: Float64Array | undefined;
  /** α of mixup; 0 for none. */
  readonly mixup?: number | undefined;
  /** Most rows a run: dropout makes its masks for as many. */
  readonly batch: number;
  /** Of the dropout masks. */
  readonly seed: number;
  readonly threads?: number | undefined;
}

export async function openMinibatchStep(options: MinibatchStepOptions): Promise<MinibatchStep> {
  const {
    spec,
    train,
    parameters,
    gradients,
    replicas,
    loss = {},
    classWeights,
    targetScale,
    mixup = 0,
  } = options;
  const { lanes = 1 } = options;
  const { dim } = train;
  const outputCount = train.classes.length;
  const task = taskOf(options.task);
  const hasLabels = task.targetForm === 'label';
  const builder = new GraphBuilder({ opset: trainingOpset });
  const features = builder.input('features', 'float32', ['batch', dim]);
  const targets = hasLabels
    ? builder.input('labels', 'int32', ['batch'])
    : builder.input('targets', 'float32', ['batch', outputCount]);
  const scale = builder.input('scale', 'float32', lanes > 1 ? ['batch'] : []);
  const gather = (table: string, indices: string, name: string): string =>
    builder.op('Gather', [table, indices], { name, attributes: { axis: 0 } });

  const mixing = mixup > 0 ? appendMixing(builder) : undefined;
  const dropout = spec.kind === 'mlp' && spec.dropout > 0 ? appendDropout(builder, spec, options) : undefined;
  /** The batch's own values, blended with those of partners where there is mixup. */
  const mix = (own: string, name: string): string =>
    mixing ? mixing.blend(own, gather(own, mixing.partners, `${name}/partner`), name) : own;

  const shape = { dim, outputCount, task: task.kind };
  const x = mix(features, 'batch/features');
  const appendOptions = dropout ? { dropout: dropout.apply } : {};
  let logits: string;
  if (replicas === undefined) {
    const inputs = [...parameters].map(
      ([name, { dims }]) => [name, builder.input(name, 'float32', dims)] as const,
    );
    logits = buildHead(spec, shape).append(builder, x, new Map(inputs), appendOptions);
  } else logits = appendReplicas(builder, x, spec, shape, { replicas, lanes }, appendOptions);
  let target: string;
  if (hasLabels) {
    const masses = float32(
      [outputCount, outputCount],
      massTable(outputCount, loss.labelSmoothing, classWeights),
    );
    const table = builder.constant('masses', masses);
    target = mix(gather(table, targets, 'batch/masses'), 'batch/masses');
  } else target = mix(targets, 'batch/targets');
  /** Rows of every lane, once for each of its replicas: [replicas · batch, columns]. */
  const forAll = (value: string, columns: number, name: string): string => {
    const op = (opType: string, inputs: readonly string[], part: string): string =>
      builder.op(opType, inputs, { name: `${name}_${part}` });
    const apart = op('Reshape', [value, builder.ints([lanes, 1, -1])], 'by_lane');
    const repeated = op('Tile', [apart, builder.ints([1, replicas! / lanes, 1])], 'of_all');
    return op('Reshape', [repeated, builder.ints([-1, columns])], 'rows');
  };
  if (replicas !== undefined) target = forAll(target, outputCount, 'batch/targets');
  const outputs = task.appendOutputs(builder, logits, 2, outputCount);
  const gradient = task.appendBatchGradient(
    builder,
    { logits, target, outputCount, loss, classWeights, targetScale },
    outputs,
  );
  const shareOf = lanes > 1 ? forAll(scale, 1, 'batch/shares') : scale;
  const dLogits = builder.op('Mul', [gradient, shareOf], { name: 'grad/logits' });
  // Under its own name: an output renamed is an output copied.
  const predicted = builder.output(outputs, 'float32', ['batch', outputCount]);
  const { model, gradients: gradientNames } = await buildGradientGraph(builder, {
    logits,
    dLogits,
    parameters: [...parameters.keys()],
    inputDims: new Map([
      [features, [2 * lanes, dim]],
      [targets, hasLabels ? [2 * lanes] : [2 * lanes, outputCount]],
      ...(lanes > 1 ? [[scale, [2 * lanes]] as const] : []),
      ...(mixing?.inputDims ?? []),
    ]),
    feeds: dropout?.feeds(2, createRng(1)),
  });
  // Copying rows and changing weights take half as long as a run: threads that wait for the next one would only be in the way.
  const session = await openSession(encodeModel(model), {
    ...(options.threads !== undefined && { threads: options.threads }),
    spin: false,
  });

  const gradientMemory = Object.fromEntries(
    [...gradientNames].map(([name, gradient]) => [
      gradient,
      float32(parameters.get(name)!.dims, gradients.get(name)!),
    ]),
  );
  const scaleValue = new Float32Array(1);
  const rowMemory = new Float32Array(isInMemory(train) ? lanes * options.batch * dim : 0);
  const ownRows = Int32Array.from({ length: options.batch }, (_, i) => i);
  const fixed: TensorMap = {
    [scale]: { dtype: 'float32', dims: [], data: scaleValue },
    ...Object.fromEntries(parameters),
  };
  return {
    async run(batch, into, rng, values, shares) {
      scaleValue[0] = 1 / batch.length;
      const { labels, targets: numbers } = selectTargets(train, batch);
      await session.run(
        {
          ...fixed,
          ...(shares && { [scale]: float32([batch.length], shares) }),
          [features]: float32([batch.length, dim], values ?? rowsOf(batch)),
          [targets]: hasLabels
            ? { dtype: 'int32', dims: [batch.length], data: labels }
            : float32([batch.length, outputCount], numbers!),
          ...mixing?.feeds(ownRows.subarray(0, batch.length), mixup, rng),
          ...dropout?.feeds(batch.length, rng),
        },
        {
          ...gradientMemory,
          [predicted]: float32([((replicas ?? 1) / lanes) * batch.length, outputCount], into),
        },
      );
    },
    release: () => session.release(),
  };

  function rowsOf(batch: Int32Array): Float32Array {
    const values = rowMemory.subarray(0, batch.length * dim);
    copyRows(train.features as Float32Array, dim, batch, values);
    return values;
  }
}
