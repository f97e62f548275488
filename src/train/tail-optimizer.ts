/**
 * AdamW over all parameters of tail and head, in place. Each has a learning rate and a decay of its own:
 *
 *   head                lr,                         decay λ/rows on what the penalty counts
 *   tail, at depth d    tailLr · layerDecay^d,      weightDecay on matrices and kernels; biases and scales are free
 *
 * The gradient is that of the mean loss, and is shortened to `clipNorm` where its Euclidean norm over all parameters is
 * larger. Parameters that do not move yet have no part in it, and their moments begin when they do. With `ema` a running average of all parameters follows: average = d · average + (1 - d) · parameters, where
 * d rises from 0 to `ema` with the number of steps, so that the start is soon forgotten.
 */
import { type AdamWState, adamwState, adamwStep } from '../optim/adamw.js';
import { clipFactor } from '../optim/clip-norm.js';
import { averageDecay, followWeights } from '../optim/weight-average.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { copyParameters } from './parameter-values.js';
import type { SolverState } from './training-state.js';

export interface TailRates {
  /** Of the head. */
  readonly lr: number;
  /** Of the weights nearest the head. */
  readonly tailLr: number;
  /** Each layer further from the head learns at this share of the rate of the next one. */
  readonly layerDecay: number;
  /** Decoupled decay of the tail's matrices and kernels. */
  readonly weightDecay: number;
  /** Decay of the head's penalized parameters. */
  readonly headDecay: number;
  readonly clipNorm: number;
  readonly ema: number;
}

export interface TailOptimizer {
  /** Where a step's gradients go, summed over its examples, by parameter. */
  readonly gradients: ReadonlyMap<string, Tensor>;
  /** What is to be evaluated and kept: the running average where there is one, else the parameters. */
  readonly evaluated: ReadonlyMap<string, Tensor>;
  /**
   * One step with the gradients as they stand.
   * @param count - examples they were summed over
   * @param schedule - share of the learning rates
   * @param reach - share of the tail's layers that move, those nearest the head; the head always does
   */
  step(count: number, schedule: number, reach?: number): void;
  /** All that the next steps depend on, the parameters among it; the tensors are only lent. */
  state(): SolverState;
  /** Puts everything, the parameters too, as it was. */
  restore(state: SolverState): void;
}

/**
 * @param parameters - changed in place by every step
 * @param depthOf - of the tail's weights; what has no depth belongs to the head
 * @param penalized - the head's parameters that decay
 */
export function tailOptimizer(
  parameters: ReadonlyMap<string, Tensor>,
  depthOf: ReadonlyMap<string, number>,
  penalized: ReadonlySet<string>,
  rates: TailRates,
): TailOptimizer {
  const { clipNorm, ema } = rates;
  const average = ema > 0 ? copyParameters(parameters) : undefined;
  const slots = [...parameters].map(([name, { dims, data }]) => ({
    weights: data as Float32Array,
    gradient: float32(dims, new Float32Array(data.length)),
    state: adamwState(data.length),
    average: average?.get(name)!.data as Float32Array | undefined,
    name,
    depth: depthOf.get(name) ?? -1,
    ...ratesOf(depthOf.get(name), dims, penalized.has(name), rates),
  }));
  const layers = 1 + slots.reduce((most, { depth }) => Math.max(most, depth), -1);
  let steps = 0;
  return {
    gradients: new Map(slots.map(({ name, gradient }) => [name, gradient])),
    evaluated: average ?? parameters,
    step(count, schedule, reach = 1) {
      steps++;
      const moving = slots.filter(({ depth }) => depth < reach * layers);
      const sums = moving.map(({ gradient }) => gradient.data as Float32Array);
      const scale = clipFactor(sums, clipNorm * count) / count;
      const keep = averageDecay(ema, steps);
      for (const { weights, gradient, state, lr, decay, average: into } of moving) {
        const rate = lr * schedule;
        adamwStep(weights, gradient.data as Float32Array, state, { lr: rate, decay, gradientScale: scale });
        if (into) followWeights(into, weights, keep);
      }
    },
    state: () => ({
      fields: { steps, stepsOf: Object.fromEntries(slots.map(({ name, state: { t } }) => [name, t])) },
      tensors: new Map(
        slots.flatMap((slot) => arraysOf(slot).map(([name, data]) => [name, float32([data.length], data)])),
      ),
    }),
    restore({ fields, tensors }) {
      steps = fields.steps as number;
      const stepsOf = fields.stepsOf as Readonly<Record<string, number>>;
      for (const slot of slots) {
        slot.state.t = stepsOf[slot.name]!;
        for (const [name, data] of arraysOf(slot)) data.set(tensors.get(name)!.data as Float32Array);
      }
    },
  };
}

/** What changes in a step, by the names it is kept under. */
function arraysOf(slot: {
  readonly name: string;
  readonly weights: Float32Array;
  readonly state: AdamWState;
  readonly average: Float32Array | undefined;
}): [string, Float32Array][] {
  const { name, weights, state, average } = slot;
  return [
    [`weights/${name}`, weights],
    [`m/${name}`, state.m],
    [`v/${name}`, state.v],
    ...(average ? [[`average/${name}`, average] satisfies [string, Float32Array]] : []),
  ];
}

function ratesOf(
  depth: number | undefined,
  dims: readonly number[],
  isPenalized: boolean,
  { lr, tailLr, layerDecay, weightDecay, headDecay }: TailRates,
): { readonly lr: number; readonly decay: number } {
  if (depth === undefined) return { lr, decay: isPenalized ? headDecay : 0 };
  // Scales may lie as [C, 1, 1] beside the maps that they scale.
  const isAlongOneAxis = dims.filter((size) => size !== 1).length < 2;
  return { lr: tailLr * layerDecay ** depth, decay: isAlongOneAxis ? 0 : weightDecay };
}
