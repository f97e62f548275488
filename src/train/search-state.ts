/** A search of L-BFGS as a state of training: in what precision, from what anchor, and what it depends on itself. */
import type { LbfgsOptions, LbfgsState } from '../optim/lbfgs.js';
import type { Precision } from '../tasks/loss-tape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { SolverState } from './training-state.js';

/** @param anchoredAt - where differences are counted from; undefined where the search is not in differences */
export function stateOf(
  precision: Precision,
  iterations: number,
  { x, gradient, pairs, ...fields }: LbfgsState,
  expectedFall: number | undefined,
  anchoredAt: Float64Array | undefined,
): SolverState {
  const vector = (data: Float64Array): Tensor => ({ dtype: 'float64', dims: [data.length], data });
  return {
    fields: {
      precision,
      iterations,
      ...fields,
      ...(Number.isFinite(expectedFall) && { expectedFall }),
      pairs: pairs.map(({ sy, yy }) => ({ sy, yy })),
    },
    tensors: new Map([
      ['x', vector(x)],
      ['gradient', vector(gradient)],
      ...(anchoredAt ? ([['anchor', vector(anchoredAt)]] as const) : []),
      ...pairs.flatMap(({ s, y }, i) => [[`s/${i}`, vector(s)] as const, [`y/${i}`, vector(y)] as const]),
    ]),
  };
}

export function restore({ fields, tensors }: SolverState): {
  precision: Precision;
  iterations: number;
  settings: Pick<LbfgsOptions, 'from' | 'expectedFall'>;
  anchoredAt: Float64Array | undefined;
} {
  const { precision, iterations, expectedFall, pairs, ...rest } = fields as unknown as {
    precision: Precision;
    iterations: number;
    expectedFall?: number;
    pairs: readonly { sy: number; yy: number }[];
  } & Omit<LbfgsState, 'pairs' | 'x' | 'gradient'>;
  // A copy: the file's bytes may be shared.
  const vector = (name: string): Float64Array => (tensors.get(name)!.data as Float64Array).slice();
  const from: LbfgsState = {
    ...rest,
    x: vector('x'),
    gradient: vector('gradient'),
    pairs: pairs.map(({ sy, yy }, i) => ({ s: vector(`s/${i}`), y: vector(`y/${i}`), sy, yy })),
  };
  return {
    precision,
    iterations,
    settings: { from, ...(expectedFall !== undefined && { expectedFall }) },
    anchoredAt: tensors.has('anchor') ? vector('anchor') : undefined,
  };
}
