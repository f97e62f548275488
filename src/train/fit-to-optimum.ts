import { lbfgs, type LbfgsOptions } from '../optim/lbfgs.js';
import { type ConvexProblem, scaleProblem, startingPoint } from './convex-problem.js';
import type { Precision } from '../tasks/loss-tape.js';
import { openExactStep } from './exact-step.js';
import { layoutParameters } from './parameter-layout.js';
import { type Replica, replicaObjectives } from './replica-objective.js';
import type { Fit, Fitted } from './train-head.js';

/** Share of the objective by which float32 scores leave it uncertain. */
const float32Rounding = 1e-7;

/**
 * L-BFGS on the whole training part: minimises Σ loss + λ/2 · ‖W‖² until going on would lower it by less than a
 * millionth of itself, mostly much less. It begins in float32 and ends in float64, where an easy problem needs one evaluation more
 * and a hard one goes on: the objective reported is a float64 one.
 */
export async function fitToOptimum(fit: Fit): Promise<Fitted> {
  const { head, task, train, options, classWeights } = fit;
  const layout = layoutParameters(head.parameters);
  const problem: ConvexProblem = {
    layout,
    penalized: head.penalized,
    l2: options.l2 * head.penaltyFactor,
    rawPenalty: fit.rawPenalty,
    prior: task.prior(task.sumTargets(train, classWeights), train.classes.length),
  };
  const { isConvex } = head;
  const replica = isConvex ? scaleProblem(problem) : plainReplica(problem, train.rows);
  const start = isConvex ? startingPoint(problem) : layout.flatten(fit.parameters);
  const parametersAt = (u: Float64Array) => layout.unflatten(u.map((ui, i) => ui * replica.scale[i]!));
  const maxIterations = options.epochs ?? 1000;
  let iterations = 0;
  const search = async (precision: Precision, from: Float64Array, settings: LbfgsOptions) => {
    const step = await openExactStep({
      spec: options.head,
      task: task.kind,
      train,
      precision,
      loss: options.loss,
      classWeights,
      targetScale: fit.targetScaling?.std,
      threads: fit.threads,
    });
    try {
      const { objectives } = replicaObjectives(step, layout, [replica]);
      const result = await lbfgs(objectives[0]!, from, {
        ...settings,
        maxIterations: maxIterations - iterations,
        onIteration: async (_, u, value) => {
          iterations++;
          fit.check(iterations, value);
          if (isRecorded(iterations)) await fit.record(iterations, value, parametersAt(u));
          return false;
        },
      });
      return result;
    } finally {
      await step.release();
    }
  };
  const rough = await search(
    'float32',
    start.map((xi, i) => xi / replica.scale[i]!),
    {
      valueTolerance: isConvex ? float32Rounding : 1e-6,
      rounding: float32Rounding,
      patience: 5,
      ...(isConvex && { firstStep: 1 }),
    },
  );
  // A head that is not convex has no one optimum to be exact about.
  const result = isConvex
    ? await search('float64', rough.x, {
        curvature: rough.curvature,
        ...(rough.converged && { expectedFall: rough.expectedFall }),
      })
    : rough;
  const parameters = parametersAt(result.x);
  if (!isRecorded(iterations)) await fit.record(iterations, result.value, parameters);
  if (iterations >= maxIterations) {
    options.logger.warn(
      `L-BFGS was stopped after ${iterations} iterations, before it had converged; allow more with --epochs.`,
    );
  }
  return { parameters, objective: result.value, stoppedAt: iterations };
}

/** Scoring both parts costs about as much as an iteration, so it is done at the powers of two. */
function isRecorded(iteration: number): boolean {
  return iteration > 0 && (iteration & (iteration - 1)) === 0;
}

/** Where the curvature is not known beforehand. */
function plainReplica({ layout, penalized, l2 }: ConvexProblem, rows: number): Replica {
  const penalty = new Float64Array(layout.size);
  for (const { name, from, to } of layout.parts) if (penalized.includes(name)) penalty.fill(l2, from, to);
  return { penalty, scale: new Float64Array(layout.size).fill(1 / Math.sqrt(rows)), heldOut: -1 };
}
