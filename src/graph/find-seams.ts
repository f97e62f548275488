/** Where two models meet: which value of the first goes into which input of the second, and of which type it is. */
import { GraftError } from '../errors.js';
import type { Model, ValueInfo, ValueType } from '../onnx/ir.js';
import { type DType, isFloat } from '../tensor/dtype.js';
import type { EqualDimensions } from './equal-dimensions.js';
import { formatType } from './format-type.js';
import { joinTypes } from './join-types.js';
import { nearNames } from './near-names.js';
import { renameDimensions } from './rename-graph.js';

export type Connections =
  ReadonlyMap<string, string | readonly string[]> | Readonly<Record<string, string | readonly string[]>>;

export interface Seam {
  readonly from: ValueInfo;
  readonly to: ValueInfo;
}

/** @throws GraftError UNKNOWN_VALUE for a name that is not there, INVALID_ARGUMENT for an input connected twice. */
export function findSeams(first: Model, second: Model, connect: Connections): Seam[] {
  const rows: readonly (readonly [string, string | readonly string[]])[] =
    connect instanceof Map ? [...connect] : Object.entries(connect);
  const sources = new Map(
    [...first.graph.inputs, ...first.graph.outputs].map((info) => [info.name, info] as const),
  );
  const sinks = new Map(second.graph.inputs.map((info) => [info.name, info] as const));
  const given = new Map<string, string>();
  return rows.flatMap(([source, targets]) => {
    const from = sources.get(source);
    if (!from) throw unknownName(`The first model has no output "${source}"`, source, sources);
    return [targets].flat().map((target) => {
      const to = sinks.get(target);
      if (!to) throw unknownName(`The second model has no input "${target}"`, target, sinks);
      const other = given.get(target);
      if (other !== undefined) {
        throw new GraftError(
          'INVALID_ARGUMENT',
          `Expected one value for the second model's input "${target}" but "${other}" and "${source}" are connected to it.`,
        );
      }
      given.set(target, source);
      return { from, to };
    });
  });
}

function unknownName(sentence: string, name: string, known: ReadonlyMap<string, ValueInfo>): GraftError {
  const near = nearNames(name, known.keys());
  return new GraftError(
    'UNKNOWN_VALUE',
    near.length === 0 ? `${sentence}; it has none.` : `${sentence}. It has: ${near.join(', ')}.`,
  );
}

/**
 * The type of every connected value, from both sides.
 * @param castFloats - lets float types differ
 * @throws GraftError INVALID_ARGUMENT naming every seam that does not fit, with both types.
 */
export function joinSeams(
  seams: readonly Seam[],
  dimensions: EqualDimensions,
  castFloats: boolean,
): Map<string, ValueType> {
  const types = new Map<string, ValueType>();
  const misfits: string[] = [];
  for (const { from, to } of seams) {
    const known = types.get(from.name) ?? from.type;
    if (!known || !to.type) {
      // What the reader expects is all that is known then, but its symbols mean nothing to the writer.
      const type = known ?? (to.type && renameDimensions(to.type, () => null));
      if (type) types.set(from.name, type);
      continue;
    }
    const wanted =
      castFloats && castTarget({ from, to })
        ? { ...to.type, dtype: (known as { dtype: DType }).dtype }
        : to.type;
    const joined = joinTypes(known, wanted, dimensions);
    if (joined) types.set(from.name, joined);
    else {
      misfits.push(
        `"${from.name}" is ${formatType(from.type)} but "${to.name}" takes ${formatType(to.type)}`,
      );
    }
  }
  if (misfits.length > 0) {
    const remedy = castable(seams) ? ' castFloats: true converts between float types.' : '';
    throw new GraftError('INVALID_ARGUMENT', `The models do not fit: ${misfits.join('; ')}.${remedy}`);
  }
  return types;
}

/** The float type that a seam must be converted to; undefined where both sides are of one type, or not floats. */
export function castTarget({ from, to }: Seam): DType | undefined {
  if (from.type?.kind !== 'tensor' || to.type?.kind !== 'tensor' || from.type.dtype === to.type.dtype) return;
  return isFloat(from.type.dtype) && isFloat(to.type.dtype) ? to.type.dtype : undefined;
}

const castable = (seams: readonly Seam[]): boolean => seams.some((seam) => castTarget(seam) !== undefined);
