/** Which inputs of a model take which part of a tokenised text. */
import type { Graph, ValueInfo } from '../onnx/ir.js';
import type { DType } from '../tensor/dtype.js';
import { vocabularySize } from './main-inputs.js';

export interface TokenInput {
  readonly name: string;
  readonly dtype: DType;
}

/** All take [batch, tokens]. */
export interface TokenInputs {
  readonly ids: TokenInput;
  /** 1 for a token, 0 for padding. */
  readonly mask?: TokenInput;
  /** Which of two sentences a token is of. */
  readonly types?: TokenInput;
  /** 0, 1, 2, … */
  readonly positions?: TokenInput;
  /** Tokens that every text must have, filled up; absent where the length is free. */
  readonly fixedLength?: number;
  /** Rows of the table that ids are looked up in; absent where it is not known. */
  readonly vocabulary?: number;
}

/** By dtype, name and the table that they index; undefined where no input takes token ids. */
export function findTokenInputs(graph: Graph): TokenInputs | undefined {
  const candidates = graph.inputs.filter(
    (input) => !graph.initializers.has(input.name) && isTokenShaped(input),
  );
  const named = (pattern: RegExp): ValueInfo | undefined => candidates.find(({ name }) => pattern.test(name));
  const mask = named(/mask/i);
  const types = named(/type|segment/i);
  const positions = named(/position/i);
  const ids = candidates
    .filter((input) => ![mask, types, positions].includes(input) && isInteger(input))
    .map((input) => ({ input, rows: vocabularySize(graph, input.name) }))
    .filter(({ input, rows }) => rows > 0 || /ids|tokens/i.test(input.name))
    .sort((a, b) => b.rows - a.rows)[0];
  if (!ids) return undefined;
  const [, length] = shapeOf(ids.input);
  const isTableKnown = ids.rows > 1 && ids.rows < Number.MAX_SAFE_INTEGER;
  return {
    ids: described(ids.input),
    ...(mask && { mask: described(mask) }),
    ...(types && isInteger(types) && { types: described(types) }),
    ...(positions && isInteger(positions) && { positions: described(positions) }),
    ...(typeof length === 'number' && length > 0 && { fixedLength: length }),
    ...(isTableKnown && { vocabulary: ids.rows }),
  };
}

/** Without those that the graph does not take. */
export function takenTokenInputs(inputs: TokenInputs, graph: Graph): TokenInputs {
  const { mask, types, positions, ...rest } = inputs;
  const isTaken = (input: TokenInput | undefined): boolean =>
    graph.inputs.some(({ name }) => name === input?.name);
  return {
    ...rest,
    ...(mask && isTaken(mask) && { mask }),
    ...(types && isTaken(types) && { types }),
    ...(positions && isTaken(positions) && { positions }),
  };
}

/** The inputs that are there. */
export function listTokenInputs({ ids, mask, types, positions }: TokenInputs): TokenInput[] {
  return [ids, mask, types, positions].filter((input) => input !== undefined);
}

function isTokenShaped(input: ValueInfo): boolean {
  const { type, name } = input;
  if (type?.kind !== 'tensor' || (type.shape && type.shape.length !== 2)) return false;
  return isInteger(input) || (/mask/i.test(name) && /^(bool|float32)$/.test(type.dtype));
}

function isInteger({ type }: ValueInfo): boolean {
  return type?.kind === 'tensor' && (type.dtype === 'int64' || type.dtype === 'int32');
}

function shapeOf({ type }: ValueInfo) {
  return (type?.kind === 'tensor' && type.shape) || [];
}

function described({ name, type }: ValueInfo): TokenInput {
  return { name, dtype: type?.kind === 'tensor' ? type.dtype : 'int64' };
}
