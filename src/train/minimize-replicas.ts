/** L-BFGS on several replicas of a linear head that advance together, in a common basis of the weights where there is one. */
import { GraftError } from '../errors.js';
import { lbfgs } from '../optim/lbfgs.js';
import type { ExactStep } from './exact-step.js';
import type { ParameterLayout } from './parameter-layout.js';
import { type Replica, replicaObjectives } from './replica-objective.js';
import type { WeightBasis } from './weight-basis.js';

const float32Rounding = 1e-7;
/** What a fit may be above its optimum, as a share of the objective. */
const tolerance = 5e-7;
/** Pairs that L-BFGS remembers. In a good basis ten take 3 % fewer iterations than six, but longer over each. */
const memory = { inBasis: 6, without: 10 };

export interface ReplicaFits {
  readonly step: ExactStep;
  readonly layout: ParameterLayout;
  /** Name of the weights among the layout's parts. */
  readonly weight: string;
  readonly basis: WeightBasis | undefined;
  readonly signal?: AbortSignal | undefined;
  /** After each of them. */
  readonly onFit?: (() => void) | undefined;
}

export interface ReplicaFit {
  /** The parameters, flat. */
  readonly x: Float64Array;
  readonly value: number;
  readonly iterations: number;
}

/**
 * @param starts - the parameters of each replica to begin with, flat
 * @throws GraftError INTERRUPTED by the signal
 */
export async function minimizeReplicas(
  replicas: readonly Replica[],
  starts: readonly Float64Array[],
  { step, layout, weight, basis, signal, onFit }: ReplicaFits,
): Promise<readonly ReplicaFit[]> {
  const scaled = basis ? replicas.map((replica) => scaleIn(basis, replica, layout, weight)) : replicas;
  const { objectives, retire } = replicaObjectives(step, layout, scaled, basis);
  const from = basis ? await basis.fromWeights(starts) : starts;
  const fits = await Promise.all(
    objectives.map(async (objective, i) => {
      const { scale } = scaled[i]!;
      const result = await lbfgs(
        objective,
        from[i]!.map((xj, j) => xj / scale[j]!),
        {
          valueTolerance: tolerance,
          memory: basis ? memory.inBasis : memory.without,
          rounding: float32Rounding,
          patience: 5,
          firstStep: 1,
          onIteration: () => {
            if (signal?.aborted)
              throw new GraftError('INTERRUPTED', 'The search was stopped; no head was written.');
            return Promise.resolve(false);
          },
        },
      ).finally(() => retire(i));
      onFit?.();
      return { ...result, x: result.x.map((uj, j) => uj * scale[j]!) };
    }),
  );
  if (!basis) return fits;
  const weights = await basis.toWeights(fits.map(({ x }) => x));
  return fits.map((fit, i) => ({ ...fit, x: weights[i]! }));
}

/** In a basis the weights have curvature 1 in its units. */
function scaleIn(
  { sketch, units }: WeightBasis,
  { penalty, heldOut }: Replica,
  layout: ParameterLayout,
  weight: string,
): Replica {
  const scale = new Float64Array(layout.size).fill(1 / Math.sqrt(sketch.biasCurvature));
  const { from, to, columns } = layout.parts.find(({ name }) => name === weight)!;
  for (let i = from; i < to; i++) scale[i] = units[Math.floor((i - from) / columns)]!;
  return { penalty, scale, heldOut };
}
