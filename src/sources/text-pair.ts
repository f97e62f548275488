/**
 * A pair of texts as the bytes of one example: the UTF-8 of both with a byte between that no UTF-8 has. So a pair has the
 * bytes of no text, nor those of the same letters divided elsewhere.
 */

export type TextPair = readonly [first: string, second: string];

const divider = 0xff;

export function joinPair(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(first.length + 1 + second.length);
  bytes.set(first);
  bytes[first.length] = divider;
  bytes.set(second, first.length + 1);
  return bytes;
}

/** @returns undefined where the bytes are no pair; what stands in one may still be no UTF-8 */
export function dividePair(bytes: Uint8Array): readonly [Uint8Array, Uint8Array] | undefined {
  const at = bytes.indexOf(divider);
  return at < 0 ? undefined : [bytes.subarray(0, at), bytes.subarray(at + 1)];
}

/** The bytes of an example: UTF-8 of a text, or a pair of them. */
export function bytesOfText(text: string | TextPair): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  return typeof text === 'string'
    ? encoder.encode(text)
    : joinPair(encoder.encode(text[0]), encoder.encode(text[1]));
}
