/** The loop of fine-tuning: epochs of seeded batches, the validation loss watched, the best weights kept. */
import { GraftError } from '../errors.js';
import { scheduleFactor } from '../optim/schedules.js';
import { createRng, type Rng } from '../rng.js';
import type { Session } from '../runtime/session.js';
import { massTable } from '../tasks/targets.js';
import type { FigureName, LossSpec, Score, Task } from '../tasks/task.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { inOrder, readBatches } from './read-batches.js';
import type { ActivationSet } from './row-source.js';
import { copyParameters } from './parameter-values.js';
import type { SolverState } from './training-state.js';
import type { TailOptimizer } from './tail-optimizer.js';
import type { TailGraph } from './tail-step.js';
import type { EpochRecord } from './epoch-record.js';

export interface LoopSettings {
  readonly loss: LossSpec;
  readonly classWeights: Float32Array | undefined;
  readonly epochs: number;
  /** Share of the first steps in which the rates rise; a cosine follows. */
  readonly warmUp: number;
  readonly batch: number;
  readonly seed: number;
  readonly patience: number;
  /** Whether the validation part, where there is one, chooses the epoch. */
  readonly stopsEarly: boolean;
  /** Share of the tail's layers, those nearest the head, that move in this epoch. */
  readonly reach?: (epoch: number) => number;
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
  /** Validation score at the start, where that is worth keeping. */
  readonly start: Score | undefined;
  /** A state that `checkpoint` was once given. */
  readonly from?: SolverState | undefined;
  /** The records until then; those of later epochs are added. */
  readonly history?: EpochRecord[];
  /** After every step and epoch, with what the next one depends on; it is asked for where it is time to keep it. */
  checkpoint?(epoch: number, where: string, state: () => SolverState): Promise<void>;
}

export interface LoopOutcome {
  /** Epoch whose weights were kept; 0 for those of the start. */
  readonly epoch: number;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly history: readonly EpochRecord[];
}

/** @throws GraftError TRAINING_FAILED where the loss is no number any more, INTERRUPTED by what `checkpoint` throws. */
export async function runFineTuning(input: LoopInput): Promise<LoopOutcome> {
  const { optimizer, train, settings, measure, validate, from, history = [] } = input;
  const { evaluated } = optimizer;
  const { epochs, batch, patience } = settings;
  const outputCount = train.classes.length;
  const outputs = new Float32Array(train.rows * outputCount);
  const descend = makeStep(input);
  const rng = createRng(settings.seed, from?.fields.rng as number[] | undefined);
  const order = inOrder(train.rows);
  const stepsPerEpoch = Math.ceil(train.rows / batch);
  const all = epochs * stepsPerEpoch;
  const schedule = { kind: 'cosine', steps: all, warmUp: Math.round(settings.warmUp * all) } as const;
  const isChosen = validate !== undefined && settings.stopsEarly;
  // The best weights are a copy only where a later epoch may be worse.
  const keep = (): ReadonlyMap<string, Tensor> => (isChosen ? copyParameters(evaluated) : evaluated);
  const reached: Reached = from
    ? restore(from, { optimizer, order, outputs, keep })
    : { epoch: 1, steps: 0, best: { epoch: 0, parameters: keep(), score: input.start } };
  let { epoch, steps, best } = reached;
  const state = (at: Pick<Reached, 'epoch' | 'steps'>) => (): SolverState =>
    stateOf({ ...at, best }, { optimizer, order, outputs, rng, isBestApart: isChosen });
  for (; epoch <= epochs; epoch++, steps = 0) {
    if (steps === 0) rng.shuffle(order);
    for await (const { rows, values } of readBatches(
      train.activations,
      order.subarray(steps * batch),
      batch,
    )) {
      await eventsHandled();
      const start = steps * batch * outputCount;
      const into = outputs.subarray(start, start + rows.length * outputCount);
      await descend(rows, values, into);
      if (into.some((value) => !Number.isFinite(value))) throw diverged(epoch);
      const factor = scheduleFactor(schedule, (epoch - 1) * stepsPerEpoch + steps++);
      optimizer.step(rows.length, factor, settings.reach?.(epoch));
      await input.checkpoint?.(epoch - 1, `in epoch ${epoch}`, state({ epoch, steps }));
    }
    // The training score is that of the epoch as it went, before each step: a pass over the data less.
    const trained = measure(outputs, order);
    const validation = await validate?.(evaluated);
    if (validation && !Number.isFinite(validation.loss)) throw diverged(epoch);
    const record: EpochRecord = {
      epoch,
      objective: trained.loss * train.rows,
      train: trained,
      ...(validation && { validation }),
    };
    history.push(record);
    settings.onEpoch(record);
    if (!isChosen || isBetter(validation!, best.score, input.task.figure.name))
      best = { epoch, parameters: keep(), score: validation };
    else if (epoch - best.epoch >= patience) break;
    await input.checkpoint?.(epoch, `after epoch ${epoch}`, state({ epoch: epoch + 1, steps: 0 }));
  }
  return { epoch: best.epoch, parameters: best.parameters, history };
}

/** How far the loop got. */
interface Reached {
  /** The one it is in. */
  readonly epoch: number;
  /** Done in this epoch. */
  readonly steps: number;
  readonly best: {
    readonly epoch: number;
    readonly parameters: ReadonlyMap<string, Tensor>;
    /** On the validation part. */
    readonly score: Score | undefined;
  };
}

/** By the task's figure; the lower loss decides between equals. */
function isBetter(next: Score, best: Score | undefined, figure: FigureName): boolean {
  if (!best) return true;
  const [is, was] = [next[figure]!, best[figure]!];
  // Not "equal": a figure may be no number, as R² of numbers that are all the same.
  return is > was || (!(is < was) && next.loss < best.loss);
}

interface Moving {
  readonly optimizer: TailOptimizer;
  readonly order: Uint32Array;
  /** Of the steps of this epoch. */
  readonly outputs: Float32Array;
}

function stateOf(
  { epoch, steps, best }: Reached,
  {
    optimizer,
    order,
    outputs,
    rng,
    isBestApart,
  }: Moving & { readonly rng: Rng; readonly isBestApart: boolean },
): SolverState {
  const { fields, tensors } = optimizer.state();
  return {
    fields: {
      ...{ epoch, steps, optimizer: fields, rng: rng.state() },
      best: { epoch: best.epoch, score: best.score },
    },
    tensors: new Map<string, Tensor>([
      ...tensors,
      ...(isBestApart ? [...best.parameters].map(([name, tensor]) => [`best/${name}`, tensor] as const) : []),
      ['order', { dtype: 'uint32', dims: [order.length], data: order }],
      ['outputs', float32([outputs.length], outputs)],
    ]),
  };
}

/** Puts everything as it was. */
function restore(
  { fields, tensors }: SolverState,
  { optimizer, order, outputs, keep }: Moving & { keep(): ReadonlyMap<string, Tensor> },
): Reached {
  optimizer.restore({ fields: fields.optimizer as SolverState['fields'], tensors });
  order.set(tensors.get('order')!.data as Uint32Array);
  outputs.set(tensors.get('outputs')!.data as Float32Array);
  const parameters = keep();
  for (const [name, { data }] of parameters) {
    const best = tensors.get(`best/${name}`);
    if (best) (data as Float32Array).set(best.data as Float32Array);
  }
  const { epoch, steps, best } = fields as unknown as Reached;
  return { epoch, steps, best: { ...best, parameters } };
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

/** onnxruntime-node blocks the thread: without a pause between steps a Ctrl-C would not be heard before the end. */
function eventsHandled(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve);
  });
}

export function diverged(epoch: number): GraftError {
  return new GraftError(
    'TRAINING_FAILED',
    `The loss became infinite in epoch ${epoch}; lower the learning rates with --lr and --tail-lr.`,
  );
}
