/**
 * Byte pair encoding as Hugging Face's tokenizers do it: of a word's characters, again and again the leftmost of the pairs that
 * come first in the list of merges is joined. The JavaScript library has other ways with what the vocabulary lacks (where
 * there is no token for the unknown, its neighbours may be joined) and no prefix for pieces inside of words.
 */

export interface BpeModel {
  readonly vocab: Readonly<Record<string, number>>;
  /** `a b`, or `[a, b]`. */
  readonly merges?: unknown;
  readonly unk_token?: string | null;
  readonly continuing_subword_prefix?: string | null;
  readonly end_of_word_suffix?: string | null;
  /** Unknown characters beside each other are one. */
  readonly fuse_unk?: boolean;
  /** The bytes of an unknown character, `<0x41>`, where all of them are tokens. */
  readonly byte_fallback?: boolean;
  /** Words that are tokens are taken as they are. */
  readonly ignore_merges?: boolean;
}

/** Words of fewer characters are remembered, and so many of them. */
const longestKnown = 256;
const mostKnown = 10_000;

/** A place in a word and a rank, or two ids, as one number that a float64 holds: neither is above 2^26. */
const shift = 2 ** 26;

/**
 * @returns the tokens of a word
 * @throws Error where the merges are none
 */
export function bytePairs(model: BpeModel): (word: string) => readonly string[] {
  const ids = new Map(Object.entries(model.vocab));
  const tokens: string[] = [];
  for (const [token, id] of ids) tokens[id] = token;
  const merges = readMerges(model, ids);
  const known = new Map<string, readonly string[]>();
  return (word) => {
    if (model.ignore_merges && ids.has(word)) return [word];
    let pieces = known.get(word);
    if (pieces) return pieces;
    pieces = join(characterIds(word, model, ids), merges).map((id) => tokens[id]!);
    if (word.length < longestKnown) {
      if (known.size >= mostKnown) known.clear();
      known.set(word, pieces);
    }
    return pieces;
  };
}

interface Merges {
  /** By the ids of a pair. The later of two is meant. */
  readonly ranks: ReadonlyMap<number, number>;
  /** By rank. */
  readonly made: readonly number[];
}

function readMerges(
  { merges = [], continuing_subword_prefix: prefix }: BpeModel,
  ids: ReadonlyMap<string, number>,
): Merges {
  if (!Array.isArray(merges)) throw new Error('its merges are no list');
  const ranks = new Map<number, number>();
  const made = merges.map((merge: unknown, rank) => {
    const [left, right] = typeof merge === 'string' ? merge.split(' ') : (merge as string[]);
    const of = [left!, right!, `${left}${right?.slice(prefix?.length ?? 0)}`].map((token) => {
      const id = ids.get(token);
      if (id === undefined)
        throw new Error(
          `its merge ${JSON.stringify(merge)} asks for ${JSON.stringify(token)}, which its vocabulary lacks`,
        );
      return id;
    });
    ranks.set(of[0]! * shift + of[1]!, rank);
    return of[2]!;
  });
  return { ranks, made };
}

function characterIds(word: string, model: BpeModel, ids: ReadonlyMap<string, number>): number[] {
  const { unk_token: unknown, fuse_unk: fuses, byte_fallback: fallsBack } = model;
  const unknownId = unknown == null ? undefined : ids.get(unknown);
  const characters = Array.from(word);
  const last = characters.length - 1;
  const found: number[] = [];
  let isUnknown = false;
  for (const [i, character] of characters.entries()) {
    const piece =
      (i > 0 ? (model.continuing_subword_prefix ?? '') : '') +
      character +
      (i === last ? (model.end_of_word_suffix ?? '') : '');
    const id = ids.get(piece);
    const bytes = id === undefined && fallsBack ? byteTokens(piece).map((token) => ids.get(token)) : [];
    if (id !== undefined) found.push(id);
    else if (bytes.length > 0 && bytes.every((byte) => byte !== undefined)) found.push(...bytes);
    else {
      if (unknownId !== undefined && !(isUnknown && fuses)) found.push(unknownId);
      isUnknown = true;
      continue;
    }
    isUnknown = false;
  }
  return found;
}

const encoder = new TextEncoder();

/** @example byteTokens('é') // ['<0xC3>', '<0xA9>'] */
export function byteTokens(text: string): string[] {
  return Array.from(
    encoder.encode(text),
    (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
}

/** Joins pairs of ids, in place. */
function join(ids: number[], { ranks, made }: Merges): number[] {
  const next = Int32Array.from(ids, (_, i) => i + 1);
  const previous = Int32Array.from(ids, (_, i) => i - 1);
  const rankAt = (at: number): number | undefined => {
    const right = next[at]!;
    return right < ids.length ? ranks.get(ids[at]! * shift + ids[right]!) : undefined;
  };
  /** Ranks and places, the lowest first. */
  const waiting = new Heap();
  const look = (at: number): void => {
    const rank = rankAt(at);
    if (rank !== undefined) waiting.push(rank * shift + at);
  };
  for (let at = 0; at + 1 < ids.length; at++) look(at);
  for (let top = waiting.pop(); top !== undefined; top = waiting.pop()) {
    const topRank = Math.floor(top / shift);
    const at = top - topRank * shift;
    const id = made[topRank]!;
    if (ids[at]! < 0) continue;
    // What stands there by now may make the same token of another pair: Hugging Face's joins it too.
    const rank = rankAt(at);
    if (rank === undefined || made[rank] !== id) continue;
    const right = next[at]!;
    ids[at] = id;
    ids[right] = -1;
    next[at] = next[right]!;
    if (next[at] < ids.length) previous[next[at]] = at;
    look(at);
    if (previous[at]! >= 0) look(previous[at]!);
  }
  return ids.filter((id) => id >= 0);
}

/** Numbers, of which the lowest can be taken. */
class Heap {
  readonly #values: number[] = [];

  push(value: number): void {
    const values = this.#values;
    let at = values.length;
    for (let up = (at - 1) >> 1; at > 0 && values[up]! > value; up = (at - 1) >> 1) {
      values[at] = values[up]!;
      at = up;
    }
    values[at] = value;
  }

  pop(): number | undefined {
    const values = this.#values;
    const lowest = values[0];
    const value = values.pop();
    if (values.length === 0 || value === undefined) return lowest;
    let at = 0;
    for (let down = 1; down < values.length; down = 2 * at + 1) {
      if (down + 1 < values.length && values[down + 1]! < values[down]!) down++;
      if (values[down]! >= value) break;
      values[at] = values[down]!;
      at = down;
    }
    values[at] = value;
    return lowest;
  }
}
