/** Objectives of several fits that advance together: each waits until all have asked, then one run answers all. */
import type { Evaluation, Objective } from '../optim/lbfgs.js';
import type { Precision } from '../tasks/loss-tape.js';
import type { ExactStep } from './exact-step.js';
import type { Terms } from './exact-terms.js';
import type { ParameterLayout } from './parameter-layout.js';
import type { WeightBasis } from './weight-basis.js';

/**
 * One fit: Σ loss + ½ Σ penalty · x², in variables u that make its curvature about 1: x = scale · u, which a basis then mixes
 * to x = (I + P C R) scale · u.
 */
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
  readonly u: Float64Array;
  /** Where the gradient goes. */
  readonly gradient: Float64Array;
  resolve(evaluation: Evaluation): void;
  reject(error: unknown): void;
}

/** @param basis - of all of them */
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
  /** What a run needs to know of those that ask; the same ones mostly ask again. */
  let known:
    { readonly asking: string; readonly scales: readonly Float64Array[]; readonly terms: Terms } | undefined;
  function termsOf(asking: readonly number[]): NonNullable<typeof known> {
    if (known?.asking === asking.join()) return known;
    const those = asking.map((replica) => replicas[replica]!);
    return (known = {
      asking: asking.join(),
      scales: those.map(({ scale }) => scale),
      terms: termsFor(layout, those, step.precision, basis),
    });
  }
  async function answer(requests: ReadonlyMap<number, Request>): Promise<void> {
    const entries = [...requests].sort(([a], [b]) => a - b);
    const { scales, terms } = termsOf(entries.map(([replica]) => replica));
    const points = entries.map(([, { u }]) => u);
    const { losses, gradients, size } = await step.evaluate(
      layout.stack(points, step.precision, scales),
      terms,
    );
    entries.forEach(([, { gradient, resolve }], i) => {
      layout.unstack(gradients, i, entries.length, scales[i]!, gradient);
      resolve({ value: losses[i]!, size });
    });
  }
  return {
    objectives: replicas.map(
      (_, replica) => (u, gradient) =>
        new Promise<Evaluation>((resolve, reject) => {
          waiting.set(replica, { u, gradient, resolve, reject });
          answerWhenComplete();
        }),
    ),
    retire() {
      active--;
      answerWhenComplete();
    },
  };
}

/** What a step must know of replicas besides their parameters. */
export function termsFor(
  layout: ParameterLayout,
  replicas: readonly Replica[],
  precision: Precision,
  basis: WeightBasis | undefined,
): Terms {
  const penalties = layout.stack(
    replicas.map(({ penalty }) => penalty),
    precision,
  );
  return {
    heldOut: Int32Array.from(replicas, ({ heldOut }) => heldOut),
    // A copy, as the layout uses its memory again.
    penalty: new Map(
      [...penalties].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]),
    ),
    mixing: basis?.mixing,
  };
}
