/**
 * Pools the tokens [N, T, C] of a text to one vector [N, C] inside the graph, without those that it was filled up with:
 *
 *   mean  Σ m·x / Σ m        max  the largest x where m = 1        cls  x of the first token        last  x where m = 1 ends
 */
import { GraftError } from '../errors.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { checked, float32 } from '../tensor/tensor.js';
import type { TokenInput } from './token-inputs.js';

export interface TokenMask {
  /** Tokens of the run that the layer's shape is from. */
  readonly length: number;
  /** Whether every text has as many. */
  readonly isFixed: boolean;
  /** 1 for a token, 0 for padding, [N, T]; absent where the model has no such input. */
  readonly mask?: TokenInput | undefined;
  readonly ids: TokenInput;
  /** What tells padding where there is no mask. */
  readonly padId?: number | undefined;
}

/** @returns the name of the vectors */
export function poolTokens(
  builder: GraphBuilder,
  tokens: string,
  pool: 'avg' | 'mean' | 'max' | 'cls' | 'last',
  source: TokenMask,
): string {
  const name = 'features';
  if (pool === 'cls') return first(builder, tokens, 0);
  const mask = floatMask(builder, source);
  if (pool === 'last') {
    return mask === undefined ? first(builder, tokens, -1) : lastReal(builder, tokens, mask);
  }
  if (mask === undefined) return reduce(builder, pool === 'max' ? 'ReduceMax' : 'ReduceMean', tokens, name);
  const column = builder.op('Reshape', [mask, builder.ints([0, -1, 1])], { name: 'features/mask' });
  if (pool === 'max') {
    const isReal = builder.op('Cast', [column], { attributes: { to: dtypeInfo('bool').code } });
    const least = builder.shared('features/least', float32([], [-3.4e38]));
    return reduce(builder, 'ReduceMax', builder.op('Where', [isReal, tokens, least]), name);
  }
  const sums = reduce(builder, 'ReduceMean', builder.op('Mul', [tokens, column]), 'features/sum');
  // Of a text without a token nothing is left; 0 / 0 would be no number.
  const share = builder.op('Max', [
    reduce(builder, 'ReduceMean', column, 'features/share'),
    builder.shared('features/smallest', float32([], [1e-9])),
  ]);
  return builder.op('Div', [sums, share], { name });
}

/** float32 [N, T] */
function floatMask(builder: GraphBuilder, { mask, ids, padId }: TokenMask): string | undefined {
  const to = dtypeInfo('float32').code;
  if (mask)
    return mask.dtype === 'float32' ? mask.name : builder.op('Cast', [mask.name], { attributes: { to } });
  if (padId === undefined) return undefined;
  const data = ids.dtype === 'int64' ? BigInt64Array.of(BigInt(padId)) : Int32Array.of(padId);
  const pad = builder.shared('features/pad', checked(ids.dtype, [], data));
  const isReal = builder.op('Not', [builder.op('Equal', [ids.name, pad])]);
  return builder.op('Cast', [isReal], { attributes: { to } });
}

function first(builder: GraphBuilder, tokens: string, place: 0 | -1): string {
  const one = builder.op('Gather', [tokens, builder.ints([place])], {
    name: 'features/token',
    attributes: { axis: 1 },
  });
  return builder.op('Flatten', [one], { name: 'features', attributes: { axis: 1 } });
}

/** The place of the last 1 of the mask, then the token there. */
function lastReal(builder: GraphBuilder, tokens: string, mask: string): string {
  if (builder.opset < 12) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `--pool last needs a model of operator set 12 or newer, but this one is of ${builder.opset}; take --pool mean, or convert the model.`,
    );
  }
  const place = builder.op('ArgMax', [mask], {
    name: 'features/last',
    attributes: { axis: 1, keepdims: 1, select_last_index: 1 },
  });
  return builder.op('GatherND', [tokens, place], { name: 'features', attributes: { batch_dims: 1 } });
}

/** Over the tokens. The axes moved from attribute to input with opset 18. */
function reduce(
  builder: GraphBuilder,
  opType: 'ReduceMean' | 'ReduceMax',
  value: string,
  name: string,
): string {
  const attributes = { keepdims: 0 };
  return builder.opset < 18
    ? builder.op(opType, [value], { name, attributes: { ...attributes, axes: [1] } })
    : builder.op(opType, [value, builder.ints([1])], { name, attributes });
}
