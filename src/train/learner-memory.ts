/** What a step of the solver reads and writes, in one memory in which `adamwStep` works without copies. */
import { type AdamWState, adamwMemory } from '../optim/adamw.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { replicaOf } from './replica-head.js';

/** By the name of each parameter. */
export interface LearnerMemory {
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Of a batch's mean loss. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly states: ReadonlyMap<string, AdamWState>;
}

/** @param start - the weights to begin with, which are copied */
export function learnerMemory(start: ReadonlyMap<string, Tensor>): LearnerMemory {
  const arrays = adamwMemory(
    [...start.values()].flatMap(({ data: { length } }) => Array<number>(4).fill(length)),
  );
  const weights = new Map<string, Tensor>();
  const gradients = new Map<string, Float32Array>();
  const states = new Map<string, AdamWState>();
  for (const [i, [name, { dims, data }]] of [...start].entries()) {
    const [own, gradient, m, v] = arrays.slice(4 * i) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    own.set(data as Float32Array);
    weights.set(name, float32(dims, own));
    gradients.set(name, gradient);
    states.set(name, { m, v, t: 0 });
  }
  return { weights, gradients, states };
}

/** What belongs to one of `replicas`, as views into what belongs to all. */
export function replicaMemory(
  { weights, gradients, states }: LearnerMemory,
  replica: number,
  replicas: number,
): LearnerMemory {
  const own = (all: Float32Array): Float32Array => {
    const size = all.length / replicas;
    return all.subarray(replica * size, (replica + 1) * size);
  };
  return {
    weights: replicaOf(weights, replica),
    gradients: new Map([...gradients].map(([name, all]) => [name, own(all)])),
    states: new Map([...states].map(([name, { m, v, t }]) => [name, { m: own(m), v: own(v), t }])),
  };
}
