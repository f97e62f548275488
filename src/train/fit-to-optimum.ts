import type { ConvexProblem } from './convex-problem.js';
import type { Fit, Fitted } from './fit.js';
import { openVariablesFinder } from './fit-variables.js';
import { OptimumSearch } from './optimum-search.js';
import { layoutParameters } from './parameter-layout.js';

/**
 * L-BFGS on the whole training part: minimises Σ loss + λ/2 · ‖W‖² until going on would lower it by less than a
 * millionth of itself, mostly much less; a head that is not convex until ten iterations gain next to nothing. It begins in
 * float32 and ends in float64, where an easy problem needs one evaluation more and a hard one goes on, in differences from
 * a float64 point where it can: the objective reported is a float64 one. With a tolerance it goes on, or stops early, until no
 * component of the mean objective's gradient is above it, as scikit-learn does.
 */
export async function fitToOptimum(fit: Fit): Promise<Fitted> {
  const { head, task, train, options, classWeights } = fit;
  const problem: ConvexProblem = {
    layout: layoutParameters(head.parameters),
    penalized: head.penalized,
    l2: options.l2 * head.penaltyFactor,
    weightUnits: fit.rawPenalty?.std,
    prior: task.prior(task.sumTargets(train, classWeights), train.classes.length),
  };
  if (!head.isConvex) return new OptimumSearch(fit, problem).run();
  const finder = await openVariablesFinder(fit, problem);
  try {
    return await new OptimumSearch(fit, problem, finder).run();
  } finally {
    await finder.release();
  }
}
