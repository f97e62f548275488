/** The loop of fine-tuning: AdamW over the weights of tail and head, the validation loss watched, the best kept. */
import { GraftError } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec } from '../heads/head.js';
import { classificationMetrics } from '../metrics/classification.js';
import { type AdamWState, adamwState, adamwStep } from '../optim/adamw.js';
import { createRng } from '../rng.js';
import type { Session } from '../runtime/session.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { FeatureSet } from './feature-set.js';
import { softmaxRows } from './softmax-rows.js';
import type { TailGraph } from './tail-step.js';
import type { EpochRecord, Score } from './train-head.js';

export interface LoopSettings {
  readonly head: HeadSpec;
  readonly l2: number;
  readonly lr: number;
  readonly tailLr: number;
  readonly layerDecay: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly ema: number;
  readonly epochs: number;
  readonly warmUp: number;
  readonly batch: number;
  readonly seed: number;
  readonly patience: number;
  readonly signal?: AbortSignal;
  readonly onEpoch: (record: EpochRecord) => void;
}

/** Rows that are scored at once. */
export const scoreBatch = 64;

export interface Kept {
  readonly epoch: number;
  readonly parameters: ReadonlyMap<string, Tensor>;
}

export class FineTuneLoop {
  readonly history: EpochRecord[] = [];
  readonly #graph: TailGraph;
  readonly #step: Session;
  readonly #scorer: Session;
  readonly #parameters: ReadonlyMap<string, Tensor>;
  readonly #settings: LoopSettings;
  readonly #train: FeatureSet;
  readonly #validation: FeatureSet | undefined;
  readonly #states: ReadonlyMap<string, AdamWState>;
  /** Where the gradients of every step are written; in the order of the parameters. */
  readonly #gradients: ReadonlyMap<string, Tensor>;
  readonly #rates: ReadonlyMap<string, { readonly lr: number; readonly decay: number }>;

  constructor(
    { graph, step, scorer }: { graph: TailGraph; step: Session; scorer: Session },
    parameters: ReadonlyMap<string, Tensor>,
    settings: LoopSettings,
    train: FeatureSet,
    validation: FeatureSet | undefined,
  ) {
    this.#graph = graph;
    this.#step = step;
    this.#scorer = scorer;
    this.#parameters = parameters;
    this.#settings = settings;
    this.#train = train;
    this.#validation = validation;
    this.#states = new Map([...parameters].map(([name, { data }]) => [name, adamwState(data.length)]));
    this.#gradients = new Map(
      [...parameters].map(([name, { dims, data }]) => [name, float32(dims, new Float32Array(data.length))]),
    );
    const { lr, tailLr, layerDecay, weightDecay, l2 } = settings;
    const penalized = buildHead(settings.head, {
      dim: train.dim,
      outputCount: train.classes.length,
      task: 'single',
    }).penalized.map((name) => graph.headInputs.get(name)!);
    this.#rates = new Map(
      [...parameters].map(([name, { dims }]) => {
        const depth = graph.depthOf.get(name);
        return [
          name,
          depth === undefined
            ? { lr, decay: penalized.includes(name) ? l2 / train.rows : 0 }
            : { lr: tailLr * layerDecay ** depth, decay: dims.length > 1 ? weightDecay : 0 },
        ];
      }),
    );
  }

  /** @param startLoss - validation loss at the start, where it is worth keeping */
  async run(startLoss: number | undefined): Promise<Kept> {
    const { epochs, batch, seed, patience, ema, onEpoch, signal } = this.#settings;
    const train = this.#train;
    const rng = createRng(seed);
    const order = Uint32Array.from({ length: train.rows }, (_, i) => i);
    const size = Math.min(batch, train.rows);
    const x = new Float32Array(size * train.dim);
    const y = new Float32Array(size * train.classes.length);
    const average = ema > 0 ? copyParameters(this.#parameters) : undefined;
    const evaluated = average ?? this.#parameters;
    const steps = epochs * Math.ceil(train.rows / size);
    let done = 0;
    let best: Kept = { epoch: 0, parameters: copyParameters(evaluated) };
    let bestLoss = startLoss ?? Number.POSITIVE_INFINITY;
    for (let epoch = 1; epoch <= epochs; epoch++) {
      rng.shuffle(order);
      let loss = 0;
      let correct = 0;
      for (let start = 0; start < train.rows; start += size) {
        if (signal?.aborted) throw interrupted(epoch);
        const rows = order.subarray(start, Math.min(start + size, train.rows));
        const result = await this.#descend(rows, x, y, this.#rateAt(++done / steps));
        loss += result.loss;
        correct += result.correct;
        if (average) follow(average, this.#parameters, Math.min(ema, done / (done + 10)));
      }
      if (!Number.isFinite(loss)) throw diverged(epoch);
      // The training score is that of the epoch as it went, before each step: a pass over the data less.
      const trained: Score = { accuracy: correct / train.rows, loss: loss / train.rows };
      const validation = this.#validation && (await this.score(this.#validation, evaluated));
      const record: EpochRecord = {
        epoch,
        objective: loss,
        train: trained,
        ...(validation && { validation: { accuracy: validation.accuracy, loss: validation.loss } }),
      };
      this.history.push(record);
      onEpoch(record);
      const watched = validation?.loss;
      if (watched === undefined) best = { epoch, parameters: evaluated };
      else if (watched < bestLoss) {
        bestLoss = watched;
        best = { epoch, parameters: copyParameters(evaluated) };
      } else if (epoch - best.epoch >= patience) break;
    }
    return best;
  }

  /** One step of AdamW on the mean loss of these rows. */
  async #descend(rows: Uint32Array, x: Float32Array, y: Float32Array, rate: number) {
    const { dim, features, labels, classes } = this.#train;
    const classCount = classes.length;
    const count = rows.length;
    y.fill(0);
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      x.set(features.subarray(row * dim, (row + 1) * dim), i * dim);
      y[i * classCount + labels[row]!] = 1;
    }
    const { loss, logits } = this.#graph;
    const into = Object.fromEntries(
      [...this.#gradients].map(([name, tensor]) => [this.#graph.gradients.get(name)!, tensor]),
    );
    const feeds = {
      ...this.#feeds(x, count, this.#parameters),
      [this.#graph.targets]: float32([count, classCount], y.subarray(0, count * classCount)),
    };
    const outputs = await this.#step.run(feeds, into);
    const scale = this.#clipScale(count);
    for (const [name, { data }] of this.#parameters) {
      const gradient = this.#gradients.get(name)!.data as Float32Array;
      for (let i = 0; i < gradient.length; i++) gradient[i]! *= scale;
      const { lr, decay } = this.#rates.get(name)!;
      adamwStep(data as Float32Array, gradient, this.#states.get(name)!, { lr: lr * rate, decay });
    }
    const scores = outputs[logits]!.data as Float32Array;
    let correct = 0;
    for (let i = 0; i < count; i++) {
      if (argmax(scores, i * classCount, classCount) === labels[rows[i]!]) correct++;
    }
    return { loss: Number(outputs[loss]!.data[0]), correct };
  }

  /** What turns summed gradients into clipped ones of the mean. */
  #clipScale(count: number): number {
    let squares = 0;
    for (const { data } of this.#gradients.values()) {
      const gradient = data as Float32Array;
      for (let i = 0; i < gradient.length; i++) squares += gradient[i]! * gradient[i]!;
    }
    const norm = Math.sqrt(squares) / count;
    return Math.min(1, this.#settings.clipNorm / norm) / count;
  }

  /** Linear warm-up, then a cosine from 1 to 0; `progress` in (0, 1]. */
  #rateAt(progress: number): number {
    const { warmUp } = this.#settings;
    if (progress < warmUp) return progress / warmUp;
    return 0.5 * (1 + Math.cos((Math.PI * (progress - warmUp)) / (1 - warmUp)));
  }

  async score(set: FeatureSet, parameters: ReadonlyMap<string, Tensor>) {
    const classCount = set.classes.length;
    const { logits } = this.#graph;
    const scores = new Float32Array(set.rows * classCount);
    for (let start = 0; start < set.rows; start += scoreBatch) {
      const count = Math.min(scoreBatch, set.rows - start);
      const x = set.features.subarray(start * set.dim, (start + count) * set.dim);
      const into = {
        [logits]: float32(
          [count, classCount],
          scores.subarray(start * classCount, (start + count) * classCount),
        ),
      };
      await this.#scorer.run(this.#feeds(x, count, parameters), into);
    }
    const {
      accuracy,
      loss: meanLoss,
      macroF1,
    } = classificationMetrics(softmaxRows(scores, classCount), set.labels, classCount);
    return { accuracy, loss: meanLoss, macroF1 };
  }

  #feeds(x: Float32Array, count: number, parameters: ReadonlyMap<string, Tensor>) {
    const { activations } = this.#graph;
    const { dim } = this.#train;
    return {
      [activations]: float32([count, dim], x.subarray(0, count * dim)),
      ...Object.fromEntries(parameters),
    };
  }
}

export function copyParameters(parameters: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map(
    [...parameters].map(([name, { dims, data }]) => [name, float32(dims, (data as Float32Array).slice())]),
  );
}

/** average = decay · average + (1 - decay) · parameters */
function follow(average: Map<string, Tensor>, parameters: ReadonlyMap<string, Tensor>, decay: number): void {
  for (const [name, { data }] of parameters) {
    const into = average.get(name)!.data as Float32Array;
    const from = data as Float32Array;
    for (let i = 0; i < into.length; i++) into[i] = decay * into[i]! + (1 - decay) * from[i]!;
  }
}

function argmax(values: Float32Array, start: number, length: number): number {
  let best = 0;
  for (let i = 1; i < length; i++) if (values[start + i]! > values[start + best]!) best = i;
  return best;
}

function interrupted(epoch: number): GraftError {
  return new GraftError('INTERRUPTED', `Fine-tuning was stopped in epoch ${epoch}; no head was written.`);
}

function diverged(epoch: number): GraftError {
  return new GraftError(
    'TRAINING_FAILED',
    `The loss became infinite in epoch ${epoch}; lower the learning rates with --lr and --tail-lr.`,
  );
}
