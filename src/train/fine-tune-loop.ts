/** The loop of fine-tuning: epochs of seeded batches, the validation loss watched, the best weights kept. */
import { GraftError } from '../errors.js';
import { createRng } from '../rng.js';
import type { Session } from '../runtime/session.js';
import { massTable } from '../tasks/targets.js';
import type { LossSpec, Task } from '../tasks/task.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { inOrder, readBatches } from './read-batches.js';
import type { ActivationSet } from './row-source.js';
import { copyParameters } from './parameter-values.js';
import type { TailOptimizer } from './tail-optimizer.js';
import type { TailGraph } from './tail-step.js';
import type { EpochRecord, Score } from './train-head.js';

export interface LoopSettings {
  readonly loss: LossSpec;
  readonly classWeights: Float32Array | undefined;
  readonly epochs: number;
  /** Share of the first steps in which the rates rise from 0. */
  readonly warmUp: number;
  readonly batch: number;
  readonly seed: number;
  readonly patience: number;
  readonly signal: AbortSignal | undefined;
  readonly onEpoch: (record: EpochRecord) => void;
}

export interface LoopInput {
  readonly graph: TailGraph;
  readonly step: Session;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly optimizer: TailOptimizer;
  readonly train: ActivationSet;
  readonly task: Task;
  readonly settings: LoopSettings;
  /** Score of what was put out for training row order[i] in row i. */
  measure(outputs: Float32Array, order: Uint32Array): Score;
  /** Of these parameters on the validation part; undefined where there is none. */
  validate: ((parameters: ReadonlyMap<string, Tensor>) => Promise<Score>) | undefined;
  /** Validation loss at the start, where that is worth keeping. */
  readonly startLoss: number | undefined;
}

export interface LoopOutcome {
  /** Epoch whose weights were kept; 0 for those of the start. */
  readonly epoch: number;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly history: readonly EpochRecord[];
}

/** @throws GraftError TRAINING_FAILED where the loss is no number any more, INTERRUPTED by the signal. */
export async function runFineTuning(input: LoopInput): Promise<LoopOutcome> {
  const { optimizer, train, settings, measure, validate } = input;
  const { evaluated } = optimizer;
  const { epochs, batch, patience } = settings;
  const outputCount = train.classes.length;
  const outputs = new Float32Array(train.rows * outputCount);
  const descend = makeStep(input);
  const rng = createRng(settings.seed);
  const order = inOrder(train.rows);
  const steps = epochs * Math.ceil(train.rows / batch);
  const history: EpochRecord[] = [];
  let done = 0;
  let best = { epoch: 0, parameters: copyParameters(evaluated) };
  let bestLoss = input.startLoss ?? Number.POSITIVE_INFINITY;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    rng.shuffle(order);
    let at = 0;
    for await (const { rows, values } of readBatches(train.activations, order, batch)) {
      await eventsHandled();
      if (settings.signal?.aborted) throw interrupted(epoch);
      const into = outputs.subarray(at, (at += rows.length * outputCount));
      await descend(rows, values, into);
      if (into.some((value) => !Number.isFinite(value))) throw diverged(epoch);
      optimizer.step(rows.length, rateAt(++done / steps, settings.warmUp));
    }
    // The training score is that of the epoch as it went, before each step: a pass over the data less.
    const trained = measure(outputs, order);
    const validation = await validate?.(evaluated);
    const record: EpochRecord = {
      epoch,
      objective: trained.loss * train.rows,
      train: trained,
      ...(validation && { validation }),
    };
    history.push(record);
    settings.onEpoch(record);
    if (!validation) best = { epoch, parameters: evaluated as Map<string, Tensor> };
    else if (validation.loss < bestLoss) {
      bestLoss = validation.loss;
      best = { epoch, parameters: copyParameters(evaluated) };
    } else if (epoch - best.epoch >= patience) break;
  }
  return { ...best, history };
}

/** Runs the training graph on one batch: gradients go to the optimizer, outputs into the given memory. */
function makeStep({ graph, step, parameters, optimizer, train, task, settings }: LoopInput) {
  const outputCount = train.classes.length;
  const masses =
    task.targetForm === 'label'
      ? massTable(outputCount, settings.loss.labelSmoothing, settings.classWeights)
      : undefined;
  const targets = new Float32Array(settings.batch * outputCount);
  const weights = Object.fromEntries(parameters);
  const gradients = Object.fromEntries(
    [...optimizer.gradients].map(([name, tensor]) => [graph.gradients.get(name)!, tensor]),
  );
  return async (rows: Uint32Array, values: Float32Array, into: Float32Array): Promise<void> => {
    const count = rows.length;
    for (let i = 0; i < count; i++) {
      const [from, start] = masses ? [masses, train.labels[rows[i]!]!] : [train.targets!, rows[i]!];
      for (let c = 0; c < outputCount; c++) {
        targets[i * outputCount + c] = from[start * outputCount + c]!;
      }
    }
    await step.run(
      {
        ...weights,
        [graph.activations]: float32([count, train.activations.dim], values),
        [graph.targets]: float32([count, outputCount], targets.subarray(0, count * outputCount)),
      },
      { ...gradients, [graph.outputs]: float32([count, outputCount], into) },
    );
  };
}

/** Linear warm-up, then a cosine from 1 to 0; `progress` in (0, 1]. */
function rateAt(progress: number, warmUp: number): number {
  if (progress < warmUp) return progress / warmUp;
  return 0.5 * (1 + Math.cos((Math.PI * (progress - warmUp)) / (1 - warmUp)));
}

/** onnxruntime-node blocks the thread: without a pause between steps a Ctrl-C would not be heard before the end. */
function eventsHandled(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve);
  });
}

function interrupted(epoch: number): GraftError {
  return new GraftError('INTERRUPTED', `Fine-tuning was stopped in epoch ${epoch}; nothing was written.`);
}

export function diverged(epoch: number): GraftError {
  return new GraftError(
    'TRAINING_FAILED',
    `The loss became infinite in epoch ${epoch}; lower the learning rates with --lr and --tail-lr.`,
  );
}
