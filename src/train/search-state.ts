/** A search of L-BFGS as a state of training: in what variables and precision, from what anchor, and what it depends on itself. */
import type { LbfgsOptions, LbfgsState } from '../optim/lbfgs.js';
import type { Precision } from '../tasks/loss-tape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { SolverState } from './training-state.js';
import type { CurvatureSketch } from './weight-basis.js';

/** Where a search stands, besides what L-BFGS itself depends on. */
interface Stage {
  readonly precision: Precision;
  /** In all. */
  readonly iterations: number;
  /** How often the curvature was looked at. */
  readonly looks: number;
  /** What the variables follow from, where they are in a basis. */
  readonly sketch: CurvatureSketch | undefined;
  /** Where differences are counted from; undefined where the search is not in differences. */
  readonly anchoredAt: Float64Array | undefined;
}

export function stateOf(
  { sketch, anchoredAt, ...stage }: Stage,
  { x, gradient, pairs, ...fields }: LbfgsState,
  expectedFall: number | undefined,
): SolverState {
  return {
    fields: {
      ...stage,
      ...fields,
      ...(Number.isFinite(expectedFall) && { expectedFall }),
      ...(sketch && { rest: sketch.rest, biasCurvature: sketch.biasCurvature }),
      pairs: pairs.map(({ sy, yy }) => ({ sy, yy })),
    },
    tensors: new Map([
      ['x', vector(x)],
      ['gradient', vector(gradient)],
      ...(anchoredAt ? ([['anchor', vector(anchoredAt)]] as const) : []),
      ...(sketch ? sketchTensors.map((name) => [name, sketch[name]] as const) : []),
      ...pairs.flatMap(({ s, y }, i) => [[`s/${i}`, vector(s)] as const, [`y/${i}`, vector(y)] as const]),
    ]),
  };
}

const sketchTensors = ['directions', 'projected', 'axes'] as const;

function vector(data: Float64Array): Tensor {
  return { dtype: 'float64', dims: [data.length], data };
}

export function restore({ fields, tensors }: SolverState): Stage & {
  readonly settings: Pick<LbfgsOptions, 'expectedFall'> & { readonly from: LbfgsState };
} {
  const { precision, iterations, looks, expectedFall, pairs, rest, biasCurvature, ...others } =
    fields as unknown as {
      expectedFall?: number;
      pairs: readonly { sy: number; yy: number }[];
    } & Pick<Stage, 'precision' | 'iterations' | 'looks'> &
      Pick<CurvatureSketch, 'rest' | 'biasCurvature'> &
      Omit<LbfgsState, 'pairs' | 'x' | 'gradient'>;
  // A copy: the file's bytes may be shared.
  const numbers = (name: string): Float64Array => (tensors.get(name)!.data as Float64Array).slice();
  const matrix = (name: (typeof sketchTensors)[number]): Tensor => ({
    ...tensors.get(name)!,
    data: numbers(name),
  });
  return {
    precision,
    iterations,
    looks,
    sketch: tensors.has('directions')
      ? {
          directions: matrix('directions'),
          projected: matrix('projected'),
          axes: matrix('axes'),
          rest,
          biasCurvature,
        }
      : undefined,
    anchoredAt: tensors.has('anchor') ? numbers('anchor') : undefined,
    settings: {
      from: {
        ...others,
        x: numbers('x'),
        gradient: numbers('gradient'),
        pairs: pairs.map(({ sy, yy }, i) => ({ s: numbers(`s/${i}`), y: numbers(`y/${i}`), sy, yy })),
      },
      ...(expectedFall !== undefined && { expectedFall }),
    },
  };
}
