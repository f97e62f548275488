/** Hugging Face's library for JavaScript, made to give the tokens of its library for Rust. The only file that imports it. */
import * as library from '@huggingface/tokenizers';
import { inByteLetters } from '../models/byte-tokenizer.js';
import { type BpeModel, bytePairs, byteTokens } from './byte-pairs.js';
import { readCharsmap } from './charsmap.js';
import { giveBehaviors, type PreTokenizer } from './divide-text.js';
import { byteLevelTable } from './known-parts.js';
import { matchWholeWords, type WithAddedTokens } from './whole-words.js';

/** What is used of the library, whose own declarations lack the file extensions that Node's resolution asks for. */
export interface Tokenizer extends WithAddedTokens {
  encode(
    text: string,
    options: { add_special_tokens?: boolean; return_token_type_ids?: boolean },
  ): { readonly ids: number[]; readonly token_type_ids?: number[] };
  token_to_id(token: string): number | undefined;
  readonly normalizer: Normalizer | null;
  readonly pre_tokenizer: PreTokenizer | null;
  readonly model: {
    encode(words: readonly string[]): string[];
    /** Of Unigram. */
    tokenize?(word: string): string[];
    fuse_unk?: boolean;
    readonly tokens_to_ids: Map<string, number>;
  };
}

interface Normalizer {
  normalize(text: string): string;
  /** Of a sequence. */
  readonly normalizers?: readonly (Normalizer | null)[];
  /** Of a precompiled table, which the library replaces by NFKC. */
  readonly charsmap?: unknown;
}

const { Tokenizer: LibraryTokenizer } = library as unknown as {
  Tokenizer: new (description: object, settings: object) => Tokenizer;
};

/** `tokenizer.json`, as far as it is looked at here. */
export interface TokenizerDescription {
  readonly model?: {
    readonly type?: unknown;
    readonly vocab?: unknown;
    readonly merges?: unknown;
    readonly byte_fallback?: unknown;
  };
  readonly normalizer?: unknown;
  readonly post_processor?: unknown;
  readonly added_tokens?: readonly ({ readonly id?: unknown } | null)[];
  readonly truncation?: { readonly max_length?: unknown; readonly direction?: unknown } | null;
  readonly padding?: { readonly pad_id?: unknown } | null;
}

/**
 * @param vocab - of the description's model
 * @param settings - `tokenizer_config.json`
 * @throws Error where the library cannot use it
 */
export function openTokenizer(description: TokenizerDescription, vocab: object, settings: object): Tokenizer {
  const { model = {} } = description;
  const isBpe = model.type === 'BPE' || (model.type === undefined && model.merges !== undefined);
  // The library would read the merges of byte pairs too, at some cost.
  const forLibrary = isBpe ? { ...description, model: { ...model, merges: [] } } : description;
  // The file alone says which blanks go; `remove_space` is a word to slower tokenizers that had no such file.
  const tokenizer = new LibraryTokenizer(forLibrary, { ...settings, remove_space: false });
  giveTables(tokenizer.normalizer);
  giveBehaviors(tokenizer.pre_tokenizer);
  matchWholeWords(tokenizer, vocabularyOf(vocab));
  if (isBpe) givePairs(tokenizer.model, model as BpeModel);
  if (model.type === 'Unigram') joinUnknown(tokenizer.model, model.byte_fallback === true);
  return tokenizer;
}

/** Lets tables be looked up where the library takes NFKC in their place. */
function giveTables(normalizer: Normalizer | null): void {
  const table = normalizer?.charsmap;
  if (typeof table === 'string')
    normalizer!.normalize = table === byteLevelTable ? inByteLetters : readCharsmap(table);
  for (const each of normalizer?.normalizers ?? []) giveTables(each);
}

/** Lets words be divided as Hugging Face's library does, which the other one does nearly. */
function givePairs(model: Tokenizer['model'], description: BpeModel): void {
  const pairsOf = bytePairs(description);
  model.fuse_unk = false;
  model.encode = (words) => words.flatMap(pairsOf);
}

/**
 * Lets neighbours that the vocabulary lacks be one piece: its UTF-8 bytes where all of them are tokens and the tokenizer
 * falls back on them, which the library does for BPE only. Its own way of joining them takes a time that grows with the square
 * of their number, and fails beyond some 100 000.
 */
function joinUnknown(model: Tokenizer['model'], fallsBack: boolean): void {
  const { tokens_to_ids: ids } = model;
  const bytesOf = (unknown: string): string[] => {
    const tokens = byteTokens(unknown);
    return tokens.every((token) => ids.has(token)) ? tokens : [unknown];
  };
  const written = (unknown: string): string[] => (fallsBack ? bytesOf(unknown) : [unknown]);
  model.fuse_unk = false;
  model.encode = (words) =>
    words.flatMap((word) => {
      const tokens: string[] = [];
      let unknown = '';
      for (const piece of model.tokenize!(word)) {
        if (!ids.has(piece)) unknown += piece;
        else {
          if (unknown !== '') for (const token of written(unknown)) tokens.push(token);
          unknown = '';
          tokens.push(piece);
        }
      }
      return unknown === '' ? tokens : tokens.concat(written(unknown));
    });
}

/** @param vocab - ids by token, or tokens with their scores in the order of their ids */
function vocabularyOf(vocab: object): (token: string) => boolean {
  if (!Array.isArray(vocab)) return (token) => Object.hasOwn(vocab, token);
  return (token) => vocab.some((entry: unknown) => Array.isArray(entry) && entry[0] === token);
}
