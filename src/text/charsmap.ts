/**
 * The normaliser `Precompiled` of a `tokenizer.json`: SentencePiece's table of what is written in place of which characters,
 * as `spm_precompiled` of Hugging Face's tokenizers reads it. The table is a double-array trie (darts-clone) over UTF-8,
 * whose values are places in a list of strings that end with NUL:
 *
 *   size of the trie in bytes, uint32 | trie, uint32 each | strings
 */

/** Grapheme clusters of fewer bytes are looked up whole. */
const clusterBytes = 6;
/** A text without these has no cluster of several characters within so few bytes. */
const mayCluster = /[\p{M}\p{Cf}\uff9e\uff9f]|\r\n/u;

/**
 * @param encoded - base64
 * @throws Error where it is no such table
 */
export function readCharsmap(encoded: string): (text: string) => string {
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const size = bytes.length < 4 ? Number.NaN : view.getUint32(0, true);
  if (!(size % 4 === 0 && size > 0 && 4 + size <= bytes.length)) {
    throw new Error(
      `its precompiled_charsmap holds no trie: ${bytes.length} bytes, of which ${size} are to be one`,
    );
  }
  const trie = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const strings = bytes.subarray(4 + size);
  const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];

  /** What is written for the shortest beginning of a piece that the table has: for all of the piece, as the reference does. */
  const lookUp = (piece: Uint8Array): string | undefined => {
    const start = shortestPrefix(trie, piece);
    if (start === undefined) return undefined;
    const end = strings.indexOf(0, start);
    return decoder.decode(strings.subarray(start, end < 0 ? strings.length : end));
  };
  const known = new Map<string, string>();
  const normalizeCharacter = (character: string): string => {
    let written = known.get(character);
    if (written === undefined)
      known.set(character, (written = lookUp(encoder.encode(character)) ?? character));
    return written;
  };
  const normalizeCharacters = (text: string): string => {
    let written = '';
    for (const character of text) written += normalizeCharacter(character);
    return written;
  };
  return (text) => {
    if (!mayCluster.test(text)) return normalizeCharacters(text);
    let written = '';
    for (const { segment } of new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text)) {
      const piece = encoder.encode(segment);
      const whole = piece.length < clusterBytes ? lookUp(piece) : undefined;
      written += whole ?? normalizeCharacters(segment);
    }
    return written;
  };
}

/** The value of the shortest key of the trie that the bytes begin with. */
function shortestPrefix(trie: Uint32Array, bytes: Uint8Array): number | undefined {
  let at = offsetOf(trie[0]!);
  for (const byte of bytes) {
    if (byte === 0) return undefined;
    at ^= byte;
    const unit = trie[at];
    // The label, with the bit that tells a value from a node.
    if (unit === undefined || (unit & 0x8000_00ff) !== byte) return undefined;
    at ^= offsetOf(unit);
    const hasValue = (unit & 0x100) !== 0;
    if (hasValue) return (trie[at] ?? 0) & 0x7fff_ffff;
  }
  return undefined;
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
