/**
 * Parts of a `tokenizer.json` that the library lacks, written with those that it has:
 *
 *   Nmt        characters that show nothing are removed, blanks of other kinds become spaces
 *   WordLevel  WordPiece whose pieces inside of words begin with what no token holds: a word is one token or unknown
 */

interface Part {
  readonly type?: unknown;
  readonly normalizers?: unknown;
}

/** As in the tokenizers of Hugging Face, `normalizers/unicode.rs`. */
const nmt = [
  ['[\\u0001-\\u0008\\u000b\\u000e-\\u001f\\u007f\\u008f\\u009f]', ''],
  ['[\\u0009\\u000a\\u000c\\u000d\\u1680\\u200b-\\u200f\\u2028\\u2029\\u2581\\ufeff\\ufffd]', ' '],
].map(([pattern, content]) => ({ type: 'Replace', pattern: { Regex: pattern }, content }));

/** No token holds it, and no text that was normalised. */
const noPrefix = '\u0000\u0000';
const longestWord = 4096;

export function withKnownParts<T extends { readonly model?: Part; readonly normalizer?: unknown }>(
  description: T,
): T {
  const { model, normalizer } = description;
  return {
    ...description,
    ...(normalizer !== undefined && { normalizer: knownNormalizer(normalizer) }),
    ...(model?.type === 'WordLevel' && {
      model: {
        ...model,
        type: 'WordPiece',
        continuing_subword_prefix: noPrefix,
        max_input_chars_per_word: longestWord,
      },
    }),
  };
}

function knownNormalizer(normalizer: unknown): unknown {
  const { type, normalizers } = (normalizer ?? {}) as Part;
  if (type === 'Nmt') return { type: 'Sequence', normalizers: nmt };
  if (type !== 'Sequence' || !Array.isArray(normalizers)) return normalizer;
  return { ...(normalizer as object), normalizers: normalizers.map(knownNormalizer) };
}
