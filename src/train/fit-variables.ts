/** The variables in which a linear head is fitted, found anew as the curvature changes on the way. */
import { product } from '../optim/vector.js';
import { type ConvexProblem, scaleProblem } from './convex-problem.js';
import { exampleCurvature } from './example-curvature.js';
import { openBasisFinder } from './find-basis.js';
import type { Fit } from './fit.js';
import { openHeadScorer } from './head-scorer.js';
import type { Replica } from './replica-objective.js';
import type { CurvatureSketch, WeightBasis } from './weight-basis.js';

/** x = (I + P C R) scale · u, u being what the search changes, x the parameters, and P, C and R those of the basis. */
export interface Variables {
  readonly replica: Replica;
  readonly basis: WeightBasis | undefined;
  toParameters(u: Float64Array): Promise<Float64Array>;
  fromParameters(x: Float64Array): Promise<Float64Array>;
}

export interface VariablesFinder {
  /** For where the parameters are `x`; `before` itself where no others are found. */
  better(x: Float64Array, before: Variables): Promise<Variables>;
  /** @param sketch - of a basis; without, the variables are those of each feature by itself, where a problem begins */
  restore(sketch: CurvatureSketch | undefined): Variables;
  release(): Promise<void>;
}

export async function openVariablesFinder(fit: Fit, problem: ConvexProblem): Promise<VariablesFinder> {
  const { train, task, threads, classWeights } = fit;
  const { layout, penalized, prior } = problem;
  const [part] = penalized as readonly [string];
  const plain = scaleProblem(problem);
  const { from, to, columns } = layout.parts.find(({ name }) => name === part)!;
  const penalty = plain.penalty.subarray(from, to).filter((_, i) => i % columns === 0);
  const finder = await openBasisFinder(train, layout, part, threads);
  const meanCurvature = prior.curvature.reduce((sum, value) => sum + value, 0) / prior.curvature.length;

  /** In a basis the weights have curvature 1 in its units, but for what columns differ by. */
  function scaled({ sketch, units }: WeightBasis): Replica {
    const known = Math.sqrt(meanCurvature / sketch.biasCurvature);
    const scale = plain.scale.map((value) => value * known);
    for (let i = from; i < to; i++) {
      const own = prior.curvature[(i - from) % columns] ?? meanCurvature;
      scale[i] = Math.sqrt(meanCurvature / own) * units[Math.floor((i - from) / columns)]!;
    }
    return { ...plain, scale };
  }
  const variablesIn = (basis: WeightBasis | undefined): Variables =>
    basis ? inBasis(scaled(basis), basis) : inBasis(plain);

  return {
    async better(x, before) {
      // Squared errors are curved alike wherever the parameters are.
      if (task.kind === 'regression' && before.basis) return before;
      const scorer = await openHeadScorer(
        fit.options.head,
        { dim: train.dim, outputCount: train.classes.length, task: task.kind },
        threads,
      );
      try {
        const curvature = new Float32Array(train.rows);
        for await (const { rows, outputs } of scorer.blocks(train, layout.stack([x])))
          curvature.set(exampleCurvature(task.kind, outputs, { rows: rows.length, replicas: 1 }), rows[0]);
        if (classWeights && task.targetForm === 'label') {
          for (let row = 0; row < train.rows; row++) curvature[row]! *= classWeights[train.labels[row]!]!;
        }
        const basis = await finder.find(curvature, penalty, before.basis);
        return basis ? variablesIn(basis) : before;
      } finally {
        await scorer.release();
      }
    },
    restore: (sketch) => variablesIn(sketch && finder.restore(sketch)),
    release: () => finder.release(),
  };
}

/** @param basis - a further change of variables, after the scaling */
function inBasis(replica: Replica, basis?: WeightBasis): Variables {
  const { scale } = replica;
  return {
    replica,
    basis,
    async toParameters(u) {
      const x = product(u, scale);
      return basis ? (await basis.toWeights([x]))[0]! : x;
    },
    async fromParameters(x) {
      const u = basis ? (await basis.fromWeights([x]))[0]! : x.slice();
      return u.map((value, i) => value / scale[i]!);
    },
  };
}

/** Where the curvature is not known beforehand. */
export function plainVariables({ layout, penalized, l2 }: ConvexProblem, rows: number): Variables {
  const penalty = new Float64Array(layout.size);
  for (const { name, from, to } of layout.parts) if (penalized.includes(name)) penalty.fill(l2, from, to);
  const scale = new Float64Array(layout.size).fill(1 / Math.sqrt(rows));
  return inBasis({ penalty, scale, heldOut: -1 });
}
