/**
 * The sum of all losses, with a penalty, and its gradient as an ONNX graph, exact enough to converge on: for L-BFGS.
 *
 * Several replicas of a linear head may stand side by side in the columns of its layer; they share one pass over the
 * features. The task writes the loss; its sums are float64. Even so, rounded matrix products leave float32 about a
 * millionth away from the optimum of a hard problem; in float64 a run takes about six times as long and has no such
 * floor.
 *
 * Neither have differences from an anchor, a point that was computed in float64: of a head whose logits are linear in its
 * parameters, a step Δ away from the anchor adds X Δ to the logits, and to the gradient it adds Xᵀ times what it adds to
 * the gradient by the logits. float32 rounds but these differences, which are small, at nearly its own speed.
 */
import type { HeadSpec } from '../heads/head.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import type { Precision } from '../tasks/loss-tape.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import { oneHotRows } from '../tasks/targets.js';
import { taskOf } from '../tasks/task-of.js';
import { checked, type Tensor } from '../tensor/tensor.js';
import { buildExactGraph } from './exact-graph.js';
import {
  added,
  addGradients,
  type GradientSums,
  noGradients,
  type Numbers,
  sizeOfGradient,
} from './gradient-sums.js';
import { feedTerms, type Terms } from './exact-terms.js';
import { blocksOf, type FeatureBlock, rowsFor } from './feature-blocks.js';
import type { AnyFeatureSet } from './feature-set.js';
import { transposedBlocks, type TransposedBlock, type TransposedBlocks } from './transposed-blocks.js';

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
  /** Where differences are counted from; `precision` is then not looked at, it is float64. */
  readonly anchor?: Anchor | undefined;
  /** Fold of each example, for replicas that each leave one fold out. */
  readonly folds?: Int32Array | undefined;
  readonly threads?: number | undefined;
  /** Of `train`, where several steps share them; only one may run at a time. Default: its own. */
  readonly transposes?: TransposedBlocks | undefined;
}

export interface ExactResult {
  /** Σ loss + ½ Σ penalty · w² of each replica. */
  readonly losses: Float64Array;
  /** Gradient of that by each parameter; float64 sums over runs of float32. */
  readonly gradients: ReadonlyMap<string, Numbers>;
  /** Its largest component, by the weights themselves where these are mixed of the parameter; of a step without folds. */
  readonly size: number | undefined;
}

/** A point and what was computed there in float64, of one replica. */
export interface Anchor {
  readonly parameters: ReadonlyMap<string, Float64Array>;
  readonly gradients: GradientSums;
  /** The penalised parameters themselves. */
  readonly weights: ReadonlyMap<string, Float64Array>;
  /** [rows, logits] */
  readonly logits: Float64Array;
  /** The gradient by the logits, [rows, logits]. */
  readonly slopes: Float64Array;
}

export interface ExactStep {
  /** What parameters are taken as. */
  readonly precision: Precision;
  /** @param parameters - of all replicas, side by side in the last axis */
  evaluate(parameters: ReadonlyMap<string, Tensor>, terms?: Terms): Promise<ExactResult>;
  release(): Promise<void>;
}

export async function openExactStep(options: ExactStepOptions): Promise<ExactStep> {
  const { anchor, folds } = options;
  const precision = anchor ? 'float64' : (options.precision ?? 'float32');
  const { run, outputs, release } = await openPass({ ...options, precision });
  return {
    precision,
    async evaluate(parameters, terms) {
      let losses: Float64Array | undefined;
      let gradients = anchor?.gradients ?? noGradients;
      const points = anchor ? differences(parameters, anchor) : parameters;
      for await (const { found } of run(points, terms)) {
        losses = added(losses, found[outputs.sums]!.data as Float64Array) as Float64Array;
        gradients = addGradients(gradients, outputs, found);
      }
      const size = folds ? undefined : sizeOfGradient(gradients, outputs);
      return { losses: losses!, gradients: gradients.byParameter, size };
    },
    release,
  };
}

/** @param parameters - float64; copied */
export async function measureAnchor(
  options: Omit<ExactStepOptions, 'anchor' | 'precision' | 'folds'>,
  parameters: ReadonlyMap<string, Tensor>,
  terms?: Terms,
): Promise<Anchor> {
  const { rows } = options.train;
  const { run, outputs, release } = await openPass({ ...options, precision: 'float64', keepsLogits: true });
  try {
    let gradients = noGradients;
    let weights = new Map<string, Float64Array>();
    let [logits, slopes] = [new Float64Array(0), new Float64Array(0)];
    for await (const { from, to, found } of run(parameters, terms)) {
      gradients = addGradients(gradients, outputs, found);
      weights = new Map(
        [...outputs.weights].map(([name, output]) => [name, found[output]!.data as Float64Array]),
      );
      const [scores, excess] = [outputs.logits, outputs.slopes].map(
        (name) => found[name]!.data as Float64Array,
      ) as [Float64Array, Float64Array];
      const width = scores.length / (to - from);
      if (logits.length === 0) {
        logits = new Float64Array(rows * width);
        slopes = new Float64Array(rows * width);
      }
      logits.set(scores, from * width);
      slopes.set(excess, from * width);
    }
    const point = new Map(
      [...parameters].map(([name, { data }]) => [name, new Float64Array(data as Float64Array)]),
    );
    return { parameters: point, gradients, weights, logits, slopes };
  } finally {
    await release();
  }
}

/** The graph on an open session, which goes through all blocks of the features. */
async function openPass(
  options: ExactStepOptions & { readonly precision: Precision; readonly keepsLogits?: boolean },
) {
  const { spec, task, train, folds, anchor, precision, loss, classWeights, targetScale } = options;
  const { dim, rows } = train;
  const outputCount = train.classes.length;
  const graph = await buildExactGraph({
    ...{ spec, task, dim, outputCount, precision, loss, classWeights, targetScale },
    hasFolds: folds !== undefined,
    isAnchored: anchor !== undefined,
    keepsLogits: options.keepsLogits ?? false,
    measuresSize: folds === undefined,
  });
  const { model, inputs, outputs } = graph;
  // Threads that wait awake between the runs would take the time of what L-BFGS does there.
  const settings = { spin: false, ...(options.threads !== undefined && { threads: options.threads }) };
  const session = await openSession(encodeModel(model), settings);
  const blocks: () => AsyncGenerator<FeatureBlock & Partial<TransposedBlock>> = inputs.transposed
    ? (options.transposes ?? transposedBlocks(train)).pass
    : blocksOf(train, rowsFor(outputCount));
  const targetsOf =
    taskOf(task).targetForm === 'label'
      ? oneHotRows(train, Math.min(rowsFor(outputCount), rows))
      : (from: number, to: number) => rowsOf(train.targets!, outputCount, from, to);
  const anchorOf = (data: Float64Array, from: number, to: number): Tensor => {
    const width = data.length / rows;
    return checked('float64', [to - from, width], rowsOf(data, width, from, to));
  };
  const weightsAtAnchor = Object.fromEntries(
    [...inputs.anchorWeights].map(([name, input]) => {
      const data = anchor!.weights.get(name)!;
      return [input, checked('float64', [dim, data.length / dim], data)];
    }),
  );
  const feeds = feedTerms(graph, { dim, precision, products: anchor ? 'float32' : precision });
  return {
    outputs,
    async *run(parameters: ReadonlyMap<string, Tensor>, { heldOut, penalty, mixing }: Terms = {}) {
      const mixed = feeds.mixing(mixing);
      for await (const { from, to, values, transposed } of blocks()) {
        const found = await session.run({
          [inputs.features]: checked('float32', [to - from, dim], values),
          ...(inputs.transposed && {
            [inputs.transposed]: checked('float32', [dim, to - from], transposed!),
          }),
          [inputs.targets]: checked('float32', [to - from, outputCount], targetsOf(from, to)),
          ...(folds && {
            [inputs.fold]: { dtype: 'int32', dims: [to - from], data: folds.subarray(from, to) },
            [inputs.heldOut]: { dtype: 'int32', dims: [heldOut!.length], data: heldOut! },
          }),
          ...(anchor && {
            [inputs.anchorLogits]: anchorOf(anchor.logits, from, to),
            [inputs.anchorSlopes]: anchorOf(anchor.slopes, from, to),
            ...weightsAtAnchor,
          }),
          // Once in all blocks.
          ...feeds.penalty(parameters, from === 0 ? penalty : undefined),
          ...mixed,
          ...Object.fromEntries(parameters),
        });
        yield { from, to, found };
      }
    },
    release: () => session.release(),
  };
}

function rowsOf<Data extends Float32Array | Float64Array>(
  data: Data,
  width: number,
  from: number,
  to: number,
): Data {
  return data.subarray(from * width, to * width) as Data;
}

/** From the anchor to a float64 point, in float32. */
function differences(point: ReadonlyMap<string, Tensor>, { parameters }: Anchor): Map<string, Tensor> {
  return new Map(
    [...point].map(([name, { dims, data }]) => {
      const before = parameters.get(name)!;
      const values = new Float32Array(before.length);
      for (let i = 0; i < values.length; i++) values[i] = (data as Float64Array)[i]! - before[i]!;
      return [name, checked('float32', dims, values)];
    }),
  );
}
