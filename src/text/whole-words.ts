/**
 * Added tokens that only match whole words (`single_word`), which the library has match inside of words too. As in Hugging
 * Face's own, a match beside a letter, digit or underscore is passed over, and what it covers is text.
 */
import { wordCharacters } from './known-parts.js';

interface AddedToken {
  readonly content: string;
  readonly single_word: boolean;
  readonly normalized: boolean;
}

interface Splitter {
  readonly constructor: new (tokens: readonly string[]) => Splitter;
  split(text: string): string[];
}

/** The part of the library's tokenizers that is read and replaced here. */
export interface WithAddedTokens {
  readonly normalizer: unknown;
  /** By what is matched. */
  readonly added_tokens_map: Map<string, AddedToken>;
  /** Looks in the text as it is. */
  readonly splitter_unnormalized: Splitter;
  /** Looks in normalised text, between what the other has found. */
  readonly splitter_normalized: Splitter;
  readonly model: { readonly tokens_to_ids: Map<string, number> };
}

/** Before a whole word that was matched, to tell it from the same letters elsewhere. No token and no text begins so. */
const mark = '\u0000\u0000';
const endsWithWord = new RegExp(`[${wordCharacters}]$`, 'u');
const startsWithWord = new RegExp(`^[${wordCharacters}]`, 'u');

/** @param isInVocabulary - whether the model itself has the token */
export function matchWholeWords(
  tokenizer: WithAddedTokens,
  isInVocabulary: (token: string) => boolean,
): void {
  const { added_tokens_map: added, normalizer, model } = tokenizer;
  const tokens = [...added];
  const words = tokens.filter(([, token]) => token.single_word);
  if (words.length === 0) return;
  for (const [splitter, normalized] of [
    [tokenizer.splitter_unnormalized, false],
    [tokenizer.splitter_normalized, true],
  ] as const) {
    const own = new Map(tokens.filter(([, token]) => token.normalized === normalized));
    // Without a normalizer the library looks for all of them at once, but where one was found another may begin.
    const finder = normalizer === null ? new splitter.constructor([...own.keys()]) : splitter;
    const split = finder.split.bind(finder);
    splitter.split = (text) => withoutParts(text, split(text), own);
  }
  for (const [key, token] of words) {
    added.delete(key);
    added.set(mark + key, token);
    // The library gives it to the model as well, which would find it in longer words. What is framed needs its id there.
    const isWord = startsWithWord.test(token.content) || endsWithWord.test(token.content);
    if (isWord && !isInVocabulary(token.content)) model.tokens_to_ids.delete(token.content);
  }
}

/** The pieces, those of `tokens` that are parts of words joined to the text beside them, the others that must be words marked. */
function withoutParts(
  text: string,
  pieces: readonly string[],
  tokens: ReadonlyMap<string, AddedToken>,
): string[] {
  const joined: string[] = [];
  let isAfterText = false;
  let at = 0;
  for (const piece of pieces) {
    const end = at + piece.length;
    const token = tokens.get(piece);
    const isWord =
      !endsWithWord.test(text.slice(Math.max(0, at - 2), at)) &&
      !startsWithWord.test(text.slice(end, end + 2));
    const isText = !token || (token.single_word && !isWord);
    if (isText && isAfterText) joined.push(joined.pop()! + piece);
    else joined.push(!isText && token?.single_word ? mark + piece : piece);
    isAfterText = isText;
    at = end;
  }
  return joined;
}
