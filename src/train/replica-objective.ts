/** Objectives of several fits that advance together: each waits until all have asked, then one run answers all. */
import type { Evaluation, Objective } from '../optim/lbfgs.js';
import type { ExactStep } from './exact-step.js';
import type { ParameterLayout } from './parameter-layout.js';

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
  resolve(evaluation: Evaluation): void;
  reject(error: unknown): void;
}

export function replicaObjectives(
  step: ExactStep,
  layout: ParameterLayout,
  replicas: readonly Replica[],
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
    const { losses, gradients } = await step.evaluate(
      layout.stack(
        entries.map(([, { x }]) => x),
        step.precision,
      ),
      Int32Array.from(entries, ([replica]) => replicas[replica]!.heldOut),
    );
    entries.forEach(([replica, { x, resolve }], i) => {
      const { penalty, scale } = replicas[replica]!;
      const gradient = layout.slice(gradients, i, entries.length);
      let value = losses[i]!;
      for (let j = 0; j < x.length; j++) {
        const pull = penalty[j]! * x[j]!;
        value += 0.5 * pull * x[j]!;
        gradient[j] = (gradient[j]! + pull) * scale[j]!;
      }
      resolve({ value, gradient });
    });
  }
  return {
    objectives: replicas.map(({ scale }, replica) => (u) => {
      const x = new Float64Array(u.length);
      for (let j = 0; j < x.length; j++) x[j] = u[j]! * scale[j]!;
      return new Promise<Evaluation>((resolve, reject) => {
        waiting.set(replica, { x, resolve, reject });
        answerWhenComplete();
      });
    }),
    retire() {
      active--;
      answerWhenComplete();
    },
  };
}
