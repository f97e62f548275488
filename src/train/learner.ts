/** The weights of one head while they are learned step by step, with all that the solver remembers of them. */
import { adamwStep } from '../optim/adamw.js';
import { clipFactor } from '../optim/clip-norm.js';
import { sgdStep } from '../optim/sgd.js';
import { averageDecay, followWeights } from '../optim/weight-average.js';
import type { Tensor } from '../tensor/tensor.js';
import type { LearnerMemory } from './learner-memory.js';
import { copyParameters } from './parameter-values.js';

/** Learning rates where none is given. */
export const usualRate = { adamw: 1e-3, sgd: 1e-2 } as const;

export interface LearnerOptions {
  readonly solver: 'adamw' | 'sgd';
  readonly weightDecay: number;
  /** Names of the weights that decay. */
  readonly penalized: readonly string[];
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly clipNorm: number;
  /** Decay of the running average; 0 for none. */
  readonly ema: number;
}

export interface Learner {
  /** Running average of the weights, where there is one. */
  readonly average: ReadonlyMap<string, Tensor> | undefined;
  /** What is scored and kept: the average, else the weights. */
  readonly scored: ReadonlyMap<string, Tensor>;
  /**
   * Changes the weights in place, by the gradients as they are.
   * @param number - of the step, from 1
   */
  step(rate: number, number: number): void;
}

/**
 * @param average - memory of the running average, which begins as a copy of the weights
 */
export function openLearner(
  { weights, gradients, states }: LearnerMemory,
  { solver, weightDecay, penalized, momentum, nesterov, clipNorm, ema }: LearnerOptions,
  average = ema > 0 ? copyParameters(weights) : undefined,
): Learner {
  return {
    average,
    scored: average ?? weights,
    step(rate, number) {
      const scale = clipFactor(gradients.values(), clipNorm);
      for (const [name, gradient] of gradients) {
        const decay = penalized.includes(name) ? weightDecay : 0;
        const data = weights.get(name)!.data as Float32Array;
        const state = states.get(name)!;
        if (solver === 'adamw') adamwStep(data, gradient, state, { lr: rate, decay, gradientScale: scale });
        else sgdStep(data, gradient, state.m, { lr: rate, momentum, nesterov, decay, gradientScale: scale });
      }
      if (!average) return;
      for (const [name, { data }] of weights) {
        const followed = average.get(name)!.data as Float32Array;
        followWeights(followed, data as Float32Array, averageDecay(ema, number));
      }
    },
  };
}
