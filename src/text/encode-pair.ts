/** Two texts as the tokens of one example. */
import { type PairFrame, pairFrameLength } from './pair-frame.js';

export interface Tokens {
  readonly ids: readonly number[];
  /** Token types. */
  readonly types: readonly number[];
}

export interface PairParts {
  readonly frame: PairFrame;
  /** At most so many tokens of a text, from the end that is kept. */
  cut(text: string, most: number): readonly number[];
  /** Tokens of the whole text. */
  countOf(text: string): number;
  /** Whether the beginning is what is cut off. */
  readonly cutsFront: boolean;
}

export function encodePair(
  texts: readonly [string, string],
  maxLength: number,
  { frame, ...parts }: PairParts,
): Tokens {
  const { before, between, after, types } = frame;
  const room = Math.max(0, maxLength - pairFrameLength(frame));
  const whole = texts.map((text) => parts.cut(text, room));
  let counts = whole.map((ids) => ids.length);
  // Of two that are both too long, whole lengths tell which one keeps the odd token.
  if (room % 2 === 1 && counts.every((count) => count === room)) counts = texts.map(parts.countOf);
  const kept = cutLongest(counts[0]!, counts[1]!, room);
  const [first, second] = whole.map((ids, i) =>
    parts.cutsFront ? ids.slice(ids.length - kept[i]!) : ids.slice(0, kept[i]),
  ) as [number[], number[]];
  const ids = [...before.ids, ...first, ...between.ids, ...second, ...after.ids];
  const typeAt = [
    ...before.types,
    ...first.map(() => types[0]),
    ...between.types,
    ...second.map(() => types[1]),
    ...after.types,
  ];
  return { ids: ids.slice(0, maxLength), types: typeAt.slice(0, maxLength) };
}

/**
 * Tokens that are left of the first and of the second text where both shall be `room` long: the longer one is cut until it is
 * as short as the other, then both in turn. An odd token is left to the longer one, of equals to the second.
 */
export function cutLongest(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const half = Math.floor(room / 2);
  if (Math.min(first, second) <= half)
    return first > second ? [room - second, second] : [first, room - first];
  return first > second ? [room - half, half] : [half, room - half];
}
