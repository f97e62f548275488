/** What an exact step is fed besides features and parameters: the penalty, and what weights are mixed of the parameter by. */
import type { Precision } from '../tasks/loss-tape.js';
import { checked, type Tensor } from '../tensor/tensor.js';
import type { ExactGraph } from './exact-graph.js';
import type { Mixing } from './weight-basis.js';

export interface Terms {
  /** The fold that each replica leaves out; needed where there are folds. */
  readonly heldOut?: Int32Array;
  /** λ of each element of the penalised parameters, as these are stacked and of the type that they are taken as; default: none. */
  readonly penalty?: ReadonlyMap<string, Tensor>;
  /** What the weights of a convex head are made of its parameter by; default: they are that. */
  readonly mixing?: Mixing | undefined;
}

export interface TermFeeds {
  /** @param parameters - stacked */
  penalty(parameters: ReadonlyMap<string, Tensor>, given?: Terms['penalty']): Record<string, Tensor>;
  mixing(given?: Mixing): Record<string, Tensor>;
}

/**
 * @param precision - of the objective
 * @param products - of the matrix products
 */
export function feedTerms(
  { inputs }: ExactGraph,
  { dim, precision, products }: { dim: number; precision: Precision; products: Precision },
): TermFeeds {
  const zeros = new Map<string, Tensor>();
  const none: Mixing = {
    spread: checked('float64', [dim, 1], new Float64Array(dim)),
    inner: checked('float64', [1, 1], new Float64Array(1)),
    gather: checked('float64', [1, dim], new Float64Array(dim)),
  };
  let last: { readonly of: Mixing; readonly feeds: Record<string, Tensor> } | undefined;
  return {
    penalty: (parameters, given) =>
      Object.fromEntries(
        [...inputs.penalties].map(([name, input]) => {
          const { dims, data } = parameters.get(name)!;
          let tensor = given?.get(name) ?? zeros.get(name);
          if (tensor?.data.length !== data.length) {
            tensor = inPrecision({ dtype: 'float64', dims, data: new Float64Array(data.length) }, precision);
            zeros.set(name, tensor);
          }
          return [input, tensor];
        }),
      ),
    mixing(given = none) {
      if (!inputs.mixing) return {};
      // The same ones mostly come again.
      if (last?.of !== given) {
        const feeds = {
          [inputs.mixing.spread]: inPrecision(given.spread, products),
          [inputs.mixing.inner]: inPrecision(given.inner, products),
          [inputs.mixing.gather]: inPrecision(given.gather, products),
        };
        last = { of: given, feeds };
      }
      return last.feeds;
    },
  };
}

function inPrecision({ dims, data }: Tensor, precision: Precision): Tensor {
  const given = data as Float64Array;
  return checked(precision, dims, precision === 'float32' ? new Float32Array(given) : given);
}
