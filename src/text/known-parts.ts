/**
 * Parts of a `tokenizer.json` that the library lacks or reads as of ASCII alone, written with those that it has:
 *
 *   Nmt        characters that show nothing are removed, blanks of other kinds become spaces
 *   Strip      blanks as Unicode has them are removed at the ends
 *   Prepend    puts nothing before an empty text
 *   ByteLevel  as a normalizer: a table of characters whose name is `byteLevelTable`
 *   BertNormalizer
 *              removes the accents that the reference knows
 *   BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Digits
 *              Split at what Unicode holds to be letters, blanks, punctuation, numbers
 *   Metaspace  what it makes is divided before each of the marks that it puts for blanks
 *   CharDelimiterSplit, FixedLength
 *              Split at a character, into pieces of so many
 *   WordLevel  WordPiece whose pieces inside of words begin with what no token holds: a word is one token or unknown
 */

interface Part {
  readonly type?: unknown;
  readonly normalizers?: unknown;
  readonly pretokenizers?: unknown;
  readonly behavior?: unknown;
  readonly individual_digits?: unknown;
  readonly split?: unknown;
  readonly replacement?: unknown;
  readonly delimiter?: unknown;
  readonly length?: unknown;
  readonly lowercase?: unknown;
  readonly strip_accents?: unknown;
  readonly strip_left?: unknown;
  readonly strip_right?: unknown;
  readonly prepend?: unknown;
}

/** In place of a table: each byte of the UTF-8 becomes a letter. */
export const byteLevelTable = 'ByteLevel';

/** As in the tokenizers of Hugging Face, `normalizers/unicode.rs`. */
const nmt = [
  ['[\\u0001-\\u0008\\u000b\\u000e-\\u001f\\u007f\\u008f\\u009f]', ''],
  ['[\\u0009\\u000a\\u000c\\u000d\\u1680\\u200b-\\u200f\\u2028\\u2029\\u2581\\ufeff\\ufffd]', ' '],
].map(([pattern, content]) => ({ type: 'Replace', pattern: { Regex: pattern }, content }));

/** No token holds it, and no text that was normalised. */
const noPrefix = '\u0000\u0000';
const longestWord = 4096;

interface Description {
  readonly model?: Part;
  readonly normalizer?: unknown;
  readonly pre_tokenizer?: unknown;
}

export function withKnownParts<T extends Description>(description: T): T {
  const { model, normalizer, pre_tokenizer: preTokenizer } = description;
  return {
    ...description,
    ...(normalizer !== undefined && { normalizer: knownNormalizer(normalizer) }),
    ...(preTokenizer !== undefined && { pre_tokenizer: knownPreTokenizer(preTokenizer) }),
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
  const part = (normalizer ?? {}) as Part;
  if (part.type === 'Nmt') return { type: 'Sequence', normalizers: nmt };
  if (part.type === 'BertNormalizer') return bertNormalizer(part);
  if (part.type === 'Strip') return { type: 'Sequence', normalizers: strip(part) };
  if (part.type === 'ByteLevel') return { type: 'Precompiled', precompiled_charsmap: byteLevelTable };
  if (part.type === 'Prepend')
    return { type: 'Replace', pattern: { Regex: '\\A(?=[\\s\\S])' }, content: part.prepend };
  if (part.type !== 'Sequence' || !Array.isArray(part.normalizers)) return normalizer;
  return { ...part, normalizers: part.normalizers.map(knownNormalizer) };
}

/** Marks since Unicode 9, which the tables of Hugging Face's library do not have: words keep them. None of the others lies between. */
const newMarks =
  '\\u07fd\\u0897-\\u08e1\\u09fe\\u0afa-\\u0aff\\u0b55\\u0c04-\\u0c3c\\u0d00\\u0d3b-\\u0d3c\\u0d81\\u0eba\\u0ece\\u180f-\\u1886' +
  '\\u1abf-\\u1aeb\\u1df6-\\u1dfb\\ua82c\\ua8c5\\ua8ff\\ua9bd\\u{10d24}-\\u{10f85}\\u{11070}-\\u{11074}\\u{110c2}\\u{111c9}\\u{111cf}' +
  '\\u{1123e}-\\u{11241}\\u{1133b}\\u{113bb}-\\u{1145e}\\u{1182f}-\\u{1612f}\\u{16f4f}\\u{16fe4}\\u{1cf00}-\\u{1cf46}\\u{1e000}-\\u{1e6f5}\\u{1e944}-\\u{1e94a}';
const accents = { type: 'Replace', pattern: { Regex: `(?![${newMarks}])\\p{Mn}` }, content: '' };

function bertNormalizer(part: Part): object {
  const strips = part.lowercase === true ? part.strip_accents !== false : part.strip_accents === true;
  if (!strips) return part;
  return { type: 'Sequence', normalizers: [{ ...part, strip_accents: false }, { type: 'NFD' }, accents] };
}

function strip({ strip_left: left, strip_right: right }: Part): object[] {
  const patterns = [left && '\\A\\p{White_Space}+', right && '\\p{White_Space}+\\z'];
  return patterns.filter(Boolean).map((Regex) => ({ type: 'Replace', pattern: { Regex }, content: '' }));
}

/** Letters, digits and what else words are of, inside of a class of characters. */
export const wordCharacters = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d';
/** What Unicode holds to be punctuation since version 9; the tables of Hugging Face's library are those of version 8. */
const newPunctuation =
  '\\u061d\\u09fd-\\u0a76\\u0c77-\\u0c84\\u1b4e\\u1b4f\\u1b7d-\\u1b7f\\u2e43-\\u2e5d\\u{10d6e}-\\u{10f89}\\u{113d4}-\\u{1145d}' +
  '\\u{11660}-\\u{116b9}\\u{1183b}-\\u{11fff}\\u{12ff1}\\u{12ff2}\\u{16d6d}-\\u{16fe2}\\u{1e5ff}-\\u{1e95f}';
/** One character; the last two are symbols by now. */
const punctuation = `(?![${newPunctuation}])[\\p{P}\\u0021-\\u002f\\u003a-\\u0040\\u005b-\\u0060\\u007b-\\u007e]|[\\u166d\\u{111c9}]`;

function knownPreTokenizer(preTokenizer: unknown): unknown {
  const part = (preTokenizer ?? {}) as Part;
  switch (part.type) {
    case 'Sequence':
      if (!Array.isArray(part.pretokenizers)) return preTokenizer;
      return { ...part, pretokenizers: part.pretokenizers.map(knownPreTokenizer) };
    case 'Whitespace':
      return splitInto(`[${wordCharacters}]+|[^${wordCharacters}\\p{White_Space}]+`);
    case 'WhitespaceSplit':
      return splitInto('\\P{White_Space}+');
    case 'Punctuation':
      return splitAt(punctuation, part.behavior);
    case 'BertPreTokenizer':
      return { type: 'Sequence', pretokenizers: [splitInto('\\P{White_Space}+'), splitAt(punctuation)] };
    case 'Digits':
      return splitAt(part.individual_digits === true ? '\\p{N}' : '\\p{N}+');
    case 'Metaspace':
      if (part.split === false) return preTokenizer;
      return { type: 'Sequence', pretokenizers: [preTokenizer, splitBefore(part.replacement ?? '▁')] };
    case 'CharDelimiterSplit':
      return { ...splitAt('', 'Removed'), pattern: { String: part.delimiter } };
    case 'FixedLength':
      return splitInto(`[\\s\\S]{1,${Number(part.length)}}`);
    default:
      return preTokenizer;
  }
}

/** What matches is kept, what is between is not. */
const splitInto = (Regex: string): object => ({
  type: 'Split',
  pattern: { Regex },
  behavior: 'Removed',
  invert: true,
});

/** What matches stands alone, and what is between; or as `behavior` says. */
const splitAt = (Regex: string, behavior: unknown = 'Isolated'): object => ({
  type: 'Split',
  pattern: { Regex },
  behavior,
  invert: false,
});

const splitBefore = (mark: unknown): object => ({
  ...splitAt('', 'MergedWithNext'),
  pattern: { String: mark },
});
