/** A Hugging Face tokenizer: from a text to the ids of its tokens. The only file that imports the library. */
import * as library from '@huggingface/tokenizers';
import { GraftError, messageOf } from '../errors.js';
import { inByteLetters } from '../models/byte-tokenizer.js';
import type { TokenizerFiles } from '../models/token-spec.js';
import { type BpeModel, bytePairs, byteTokens } from './byte-pairs.js';
import { readCharsmap } from './charsmap.js';
import { giveBehaviors, type PreTokenizer } from './divide-text.js';
import { encodePair, type Tokens } from './encode-pair.js';
import { byteLevelTable, withKnownParts } from './known-parts.js';
import { referenceText } from './match-reference.js';
import { findPairFrame, type PairFrame } from './pair-frame.js';
import { truncationSide } from './truncation-side.js';
import { matchWholeWords, type WithAddedTokens } from './whole-words.js';

/** What is used of the library, whose own declarations lack the file extensions that Node's resolution asks for. */
interface Tokenizer extends WithAddedTokens {
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

export interface TextTokenizer {
  /**
   * Ids of the text with what the tokenizer puts around it ([CLS] … [SEP]), which a cut leaves there. It cuts off the end, or
   * where the tokenizer says so the beginning.
   * @param maxLength - most ids
   */
  encode(text: string, maxLength: number): number[];
  /** Token types of a text of so many ids. */
  typesOf(length: number): number[];
  /**
   * The same of two texts: of the longer one more is cut off, as `longest_first` does it.
   * @throws GraftError INVALID_TOKENIZER where the tokenizer has no place for two
   */
  encodePair(texts: readonly [string, string], maxLength: number): Tokens;
  /** What is put around two texts and between them. @throws GraftError as `encodePair` */
  pairFrame(): PairFrame;
  /** What fills a text up; undefined where the tokenizer has nothing for it. */
  readonly padId: number | undefined;
  /** Largest id of the vocabulary, without tokens that were added to it. */
  readonly highestId: number;
  /** Ids around every text. */
  readonly frameLength: number;
  /** Most tokens by the tokenizer's own word; undefined where it does not say. */
  readonly limit: number | undefined;
  /** Whether the id is of a token that was added to the vocabulary, as marks are. */
  isAdded(id: number): boolean;
}

/** Characters looked at for each token wanted; more only where these give too few. */
const charactersPerToken = 32;
/** Lengths that mean "no limit". */
const longestLimit = 1e6;

/**
 * @param where - the file, for messages
 * @throws GraftError INVALID_TOKENIZER
 */
export function loadTokenizer({ json, config }: TokenizerFiles, where: string): TextTokenizer {
  const description = withKnownParts(parseObject(json, where) as TokenizerDescription);
  const settings = config === undefined ? {} : parseObject(config, `the configuration beside ${where}`);
  const kind = description.model?.type;
  if (kind !== undefined && !['WordPiece', 'BPE', 'Unigram'].some((known) => known === kind)) {
    throw invalid(
      where,
      `its model is ${JSON.stringify(kind)}; WordPiece, BPE, Unigram and WordLevel are supported`,
    );
  }
  if (typeof description.model?.vocab !== 'object' || description.model.vocab === null) {
    throw invalid(where, 'it has no model with a vocabulary');
  }
  let tokenizer: Tokenizer;
  let frame: Frame;
  try {
    const isBpe = kind === 'BPE' || (kind === undefined && description.model.merges !== undefined);
    // The library would read the merges of byte pairs too, at some cost.
    const forLibrary = isBpe ? { ...description, model: { ...description.model, merges: [] } } : description;
    // The file alone says which blanks go; `remove_space` is a word to slower tokenizers that had no such file.
    tokenizer = new LibraryTokenizer(forLibrary, { ...settings, remove_space: false });
    giveTables(tokenizer.normalizer);
    giveBehaviors(tokenizer.pre_tokenizer);
    matchWholeWords(tokenizer, vocabularyOf(description.model.vocab));
    if (isBpe) givePairs(tokenizer.model, description.model as BpeModel);
    if (kind === 'Unigram') joinUnknown(tokenizer.model, description.model?.byte_fallback === true);
    frame = findFrame(tokenizer);
  } catch (error) {
    throw invalid(where, messageOf(error), error);
  }
  const prepare = referenceText(description.normalizer);
  const idsOf = (text: string): number[] =>
    // A character that the vocabulary lacks has no id where there is no token for the unknown.
    tokenizer.encode(prepare(text), { add_special_tokens: false }).ids.filter(Number.isInteger);
  const { before, after } = frame;
  const cutsFront = truncationSide(settings, description) === 'left';
  const cut = (text: string, room: number): number[] =>
    cutsFront ? lastIds(text, room, idsOf) : firstIds(text, room, idsOf);
  let foundPairFrame: PairFrame | undefined;
  const pairFrame = (): PairFrame => {
    try {
      return (foundPairFrame ??= findPairFrame(description.post_processor));
    } catch (error) {
      throw invalid(where, `it cannot encode pairs of texts: ${messageOf(error)}`, error);
    }
  };
  return {
    encode(text, maxLength) {
      const room = Math.max(0, maxLength - before.length - after.length);
      return [...before, ...cut(text, room), ...after].slice(0, maxLength);
    },
    encodePair: (texts, maxLength) =>
      encodePair(texts, maxLength, {
        frame: pairFrame(),
        cut,
        countOf: (text) => idsOf(text).length,
        cutsFront,
      }),
    pairFrame,
    typesOf(length) {
      const inner = Math.max(0, length - before.length - after.length);
      const types = [...frame.types.before, ...new Array<number>(inner).fill(frame.types.inner)];
      return [...types, ...frame.types.after].slice(0, length);
    },
    padId: findPadId(description, settings, tokenizer),
    highestId: highestId(description.model.vocab),
    frameLength: before.length + after.length,
    isAdded: (id) => description.added_tokens?.some((token) => token?.id === id) === true,
    limit: [settings.model_max_length, description.truncation?.max_length]
      .filter((value): value is number => typeof value === 'number' && value > 0 && value <= longestLimit)
      .sort((a, b) => a - b)[0],
  };
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

interface TokenizerDescription {
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

/** What stands around every text. */
interface Frame {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly types: { readonly before: number[]; readonly inner: number; readonly after: number[] };
}

function findFrame(tokenizer: Tokenizer): Frame {
  for (const sample of ['a', 'the', '0', '.']) {
    const bare = tokenizer.encode(sample, { add_special_tokens: false }).ids;
    const whole = tokenizer.encode(sample, {
      return_token_type_ids: true,
    });
    if (bare.length === 0) continue;
    const at = whole.ids.findIndex((_, start) => bare.every((id, i) => whole.ids[start + i] === id));
    if (at < 0) continue;
    const end = at + bare.length;
    const types = whole.token_type_ids ?? whole.ids.map(() => 0);
    return {
      before: whole.ids.slice(0, at),
      after: whole.ids.slice(end),
      types: { before: types.slice(0, at), inner: types[at] ?? 0, after: types.slice(end) },
    };
  }
  throw new Error('it makes no tokens of plain letters');
}

/** The first ids of a text without reading all of a long one: its beginning, more of it where that gives too few. */
function firstIds(text: string, count: number, idsOf: (text: string) => number[]): number[] {
  for (let size = charactersPerToken * (count + 8); size < text.length; size *= 4) {
    const ids = idsOf(beginning(text, size));
    // The last ones may be of a word that was cut in two.
    if (ids.length > count + 8) return ids.slice(0, count);
  }
  return idsOf(text).slice(0, count);
}

/** Of all ids: where the last ones begin is told by those before them. */
function lastIds(text: string, count: number, idsOf: (text: string) => number[]): number[] {
  const ids = idsOf(text);
  return ids.slice(Math.max(0, ids.length - count));
}

/** About so many characters, up to the end of a word where there is one in the latter half. */
function beginning(text: string, size: number): string {
  const head = text.slice(0, size);
  const space = head.search(/\s\S*$/u);
  return space > size / 2 ? head.slice(0, space) : head;
}

function findPadId(
  { padding }: TokenizerDescription,
  settings: Readonly<Record<string, unknown>>,
  tokenizer: Tokenizer,
): number | undefined {
  if (Number.isSafeInteger(padding?.pad_id)) return padding!.pad_id as number;
  const named = settings.pad_token;
  const content =
    typeof named === 'object' && named !== null ? (named as { content?: unknown }).content : named;
  const names = [content, '[PAD]', '<pad>', '<|padding|>', '<|pad|>'];
  for (const name of names) {
    const id = typeof name === 'string' ? tokenizer.token_to_id(name) : undefined;
    if (id !== undefined) return id;
  }
  return undefined;
}

/** @param vocab - ids by token, or tokens with their scores in the order of their ids */
function vocabularyOf(vocab: object): (token: string) => boolean {
  if (!Array.isArray(vocab)) return (token) => Object.hasOwn(vocab, token);
  return (token) => vocab.some((entry: unknown) => Array.isArray(entry) && entry[0] === token);
}

/** @param vocab - ids by token, or the tokens in the order of their ids */
function highestId(vocab: object): number {
  if (Array.isArray(vocab)) return vocab.length - 1;
  let highest = 0;
  for (const id of Object.values(vocab)) highest = Math.max(highest, Number(id));
  return highest;
}

function parseObject(text: string, where: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(where, `it is not JSON: ${messageOf(error)}`, error);
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
    return parsed as Record<string, unknown>;
  throw invalid(where, 'it holds no object');
}

function invalid(where: string, reason: string, cause?: unknown): GraftError {
  return new GraftError(
    'INVALID_TOKENIZER',
    `${where} cannot be used as a tokenizer: ${reason.replace(/\.$/, '')}. Give the tokenizer.json that belongs to the model with --tokenizer.`,
    { cause },
  );
}
