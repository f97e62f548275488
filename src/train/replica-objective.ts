/** Objectives of several fits that advance together: each waits until all have asked, then one run answers all. */
import type { Evaluation, Objective } from '../optim/lbfgs.js';
import { largestMagnitude, product } from '../optim/vector.js';
import type { ExactStep } from './exact-step.js';
import type { ParameterLayout } from './parameter-layout.js';
import type { WeightBasis } from './weight-basis.js';

/** One fit: Σ loss + ½ Σ penalty · x², in variables u with x = scale · u that make its curvature about 1. */
export interface Replica {
  /** Per element of the flat vector. */
  readonly penalty: Float64Array;
  readonly scale: Float64Array;
  /** The fold it leaves out; -1 for none. */
  readonly heldOut: number;
}

export interface ReplicaObjectives {
  readonly objectives: readonly Objective[];
  /** Says that a replica asks no more, so that the others need not wait for it. */
  retire(replica: number): void;
}

interface Request {
  readonly x: Float64Array;
  /** Where the gradient goes. */
  readonly gradient: Float64Array;
  resolve(evaluation: Evaluation): void;
  reject(error: unknown): void;
}

/**
 * The size of a gradient is its largest component by x.
 * @param basis - a further change of variables, after the scaling: x = basis(scale · u)
 */
export function replicaObjectives(
  step: ExactStep,
  layout: ParameterLayout,
  replicas: readonly Replica[],
  basis?: WeightBasis,
): ReplicaObjectives {
  let active = replicas.length;
  let waiting = new Map<number, Request>();
  const answerWhenComplete = (): void => {
    if (active === 0 || waiting.size < active) return;
    const requests = waiting;
    waiting = new Map();
    answer(requests).catch((error: unknown) => {
      for (const { reject } of requests.values()) reject(error);
    });
  };
  async function answer(requests: ReadonlyMap<number, Request>): Promise<void> {
    const entries = [...requests];
    const scaled = entries.map(([, { x }]) => x);
    const points = basis ? await basis.toWeights(scaled) : scaled;
    const { losses, gradients } = await step.evaluate(
      layout.stack(points, step.precision),
      Int32Array.from(entries, ([replica]) => replicas[replica]!.heldOut),
    );
    let slopes = entries.map(([replica], i) => {
      const { penalty } = replicas[replica]!;
      const x = points[i]!;
      const slope = layout.slice(gradients, i, entries.length);
      let loss = losses[i]!;
      for (let j = 0; j < x.length; j++) {
        const pull = penalty[j]! * x[j]!;
        loss += 0.5 * pull * x[j]!;
        slope[j]! += pull;
      }
      losses[i] = loss;
      return slope;
    });
    const sizes = slopes.map(largestMagnitude);
    if (basis) slopes = await basis.toGradients(slopes);
    entries.forEach(([replica, { gradient, resolve }], i) => {
      const { scale } = replicas[replica]!;
      const slope = slopes[i]!;
      for (let j = 0; j < gradient.length; j++) gradient[j] = slope[j]! * scale[j]!;
      resolve({ value: losses[i]!, size: sizes[i] });
    });
  }
  return {
    objectives: replicas.map(({ scale }, replica) => (u, gradient) => {
      const x = product(u, scale);
      return new Promise<Evaluation>((resolve, reject) => {
        waiting.set(replica, { x, gradient, resolve, reject });
        answerWhenComplete();
      });
    }),
    retire() {
      active--;
      answerWhenComplete();
    },
  };
}
