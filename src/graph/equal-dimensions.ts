/**
 * What a seam between two models says of their dimensions: where [batch, 464] meets [N, 464], N is batch; where
 * [batch, 464] meets [1, 464], batch is 1. Symbols of different models are different until a seam joins them.
 */
import type { Dimension } from '../onnx/ir.js';

export type Side = 'first' | 'second';

interface Member {
  readonly side: Side;
  readonly symbol: string;
}

export class EqualDimensions {
  readonly #classes = new Map<string, { members: Member[]; size: number | undefined }>();
  readonly #key = ({ side, symbol }: Member): string => `${side} ${symbol}`;

  #classOf(member: Member): { members: Member[]; size: number | undefined } {
    const key = this.#key(member);
    let found = this.#classes.get(key);
    if (!found) {
      found = { members: [member], size: undefined };
      this.#classes.set(key, found);
    }
    return found;
  }

  /** Joins a dimension of the first model to one of the second; false where two different sizes meet. */
  join(first: Dimension, second: Dimension): boolean {
    if (first === null || second === null) return true;
    const sides = [
      [first, 'first'],
      [second, 'second'],
    ] as const;
    const [a, b] = sides.map(([dim, side]) =>
      typeof dim === 'number' ? { members: [], size: dim } : this.#classOf({ side, symbol: dim }),
    );
    if (a === b) return true;
    if (a!.size !== undefined && b!.size !== undefined && a!.size !== b!.size) return false;
    const joined = { members: [...a!.members, ...b!.members], size: a!.size ?? b!.size };
    for (const member of joined.members) this.#classes.set(this.#key(member), joined);
    return true;
  }

  /** What the merged model calls a dimension: its size where a seam tells it, else one symbol for all that are equal. */
  resolve(side: Side, symbol: string, fresh: (symbol: string) => string): Dimension {
    const found = this.#classes.get(this.#key({ side, symbol }));
    if (found?.size !== undefined) return found.size;
    const name = found?.members.find((member) => member.side === 'first')?.symbol;
    if (name !== undefined) return name;
    return side === 'first' ? symbol : fresh(found?.members[0]!.symbol ?? symbol);
  }
}
