/** Which inputs of a model take which part of a tokenised text. */
import type { Graph } from '../onnx/ir.js';
import type { DType } from '../tensor/dtype.js';

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
  /** The model takes one text a run. */
  readonly isSingle?: boolean;
  /** A run takes texts of one length, though there is a mask: what they are filled up with shows. */
  readonly isOfOneLength?: boolean;
  /** Rows of the table that ids are looked up in; absent where it is not known. */
  readonly vocabulary?: number;
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

/** Whether texts of different lengths may be run together, the shorter ones filled up. */
export function bearsFilling({ mask, fixedLength, isOfOneLength }: TokenInputs): boolean {
  // Nothing tells a model without a mask what is filled up, unless it always is.
  return (mask !== undefined && !isOfOneLength) || fixedLength !== undefined;
}
