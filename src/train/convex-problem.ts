/**
 * A linear head's problem in variables that L-BFGS likes: features are standardised whatever the caller asked for, and
 * each is scaled to curvature 1 where the weights are zero and the biases tell the class frequencies. The scale is one
 * for all classes: adding the same to the weights of all of them changes no probability, nothing but the weak penalty
 * would pull such a drift back, and equal scales let none arise.
 *
 * Without standardisation the penalty λ/2 · w² of a raw weight w = u / σ becomes λ/(2σ²) · u²: the same objective.
 */
import type { Prior } from '../tasks/task.js';
import type { ParameterLayout } from './parameter-layout.js';
import type { Replica } from './replica-objective.js';

export interface ConvexProblem {
  readonly layout: ParameterLayout;
  readonly penalized: readonly string[];
  /** λ, times what the head's parametrisation asks for. */
  readonly l2: number;
  /** Per feature: the penalty is on weight / unit. The deviations, where it is on raw features but the step sees standardised ones. */
  readonly weightUnits?: Float64Array | undefined;
  /** Of the examples without those held out. */
  readonly prior: Prior;
  readonly heldOut?: number;
}

export function scaleProblem(problem: ConvexProblem): Replica {
  const { layout, penalized, l2, weightUnits, prior, heldOut = -1 } = problem;
  const penalty = new Float64Array(layout.size);
  const scale = new Float64Array(layout.size);
  for (const { name, from, to, columns } of layout.parts) {
    const isPenalized = penalized.includes(name);
    for (let i = from; i < to; i++) {
      const feature = Math.floor((i - from) / columns);
      if (isPenalized) penalty[i] = weightUnits ? l2 / weightUnits[feature]! ** 2 : l2;
      const curvature = prior.curvature[(i - from) % columns] ?? prior.curvature[0]!;
      scale[i] = 1 / Math.sqrt(curvature + penalty[i]!);
    }
  }
  return { penalty, scale, heldOut };
}

/** Weights zero, the rest as the task's prior has it: the optimum of an infinite penalty. */
export function startingPoint({ layout, prior }: ConvexProblem): Float64Array {
  const x = new Float64Array(layout.size);
  for (const { name, from } of layout.parts) {
    const start = prior.start.get(name);
    if (start) x.set(start, from);
  }
  return x;
}
