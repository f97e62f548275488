/**
 * The step of AdamW and SGD: rows of the training part in, gradients of their mean loss out.
 *
 * The rows are copied here: a Gather inside the graph takes two to four times as long. Every output is written into memory that is
 * allocated once.
 */
import { encodeModel } from '../onnx/write-model.js';
import type { Rng } from '../rng.js';
import { openSession } from '../runtime/open-session.js';
import type { TensorMap } from '../runtime/session.js';
import { selectTargets } from '../tasks/targets.js';
import { taskOf } from '../tasks/task-of.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { type AnyFeatureSet, isInMemory } from './feature-set.js';
import { buildMinibatchGraph, type MinibatchGraphOptions } from './minibatch-graph.js';
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

export interface MinibatchStepOptions extends Omit<MinibatchGraphOptions, 'dim' | 'outputCount'> {
  readonly train: AnyFeatureSet;
  /** Read on every run: the caller changes them in place. Of replicas, [replicas, ...dims] each. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Memory for the gradient by each. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly threads?: number | undefined;
}

export async function openMinibatchStep(options: MinibatchStepOptions): Promise<MinibatchStep> {
  const { train, parameters, replicas = 1, lanes = 1, threads } = options;
  const { dim } = train;
  const outputCount = train.classes.length;
  const hasLabels = taskOf(options.task).targetForm === 'label';
  const graph = await buildMinibatchGraph({ ...options, dim, outputCount });
  const { features, targets, scale } = graph.inputs;
  // Copying rows and changing weights take half as long as a run: threads that wait for the next one would only be in the way.
  const session = await openSession(encodeModel(graph.model), {
    ...(threads !== undefined && { threads }),
    spin: false,
  });

  const gradientMemory = Object.fromEntries(
    [...graph.gradients].map(([name, gradient]) => [
      gradient,
      float32(parameters.get(name)!.dims, options.gradients.get(name)!),
    ]),
  );
  const scaleValue = new Float32Array(1);
  const rowMemory = new Float32Array(isInMemory(train) ? lanes * options.batch * dim : 0);
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
          ...graph.drawNoise(batch.length, rng),
        },
        {
          ...gradientMemory,
          [graph.predicted]: float32([(replicas / lanes) * batch.length, outputCount], into),
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
