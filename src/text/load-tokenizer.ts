/** A Hugging Face tokenizer: from a text to the ids of its tokens. */
import { GraftError, messageOf } from '../errors.js';
import type { TokenizerFiles } from '../models/token-spec.js';
import { encodePair, type Tokens } from './encode-pair.js';
import { openTokenizer, type Tokenizer, type TokenizerDescription } from './hugging-face-tokenizer.js';
import { withKnownParts } from './known-parts.js';
import { referenceText } from './match-reference.js';
import { findPairFrame, type PairFrame } from './pair-frame.js';
import { findTokenFrame, type TokenFrame } from './token-frame.js';
import { truncationSide } from './truncation-side.js';

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
  const { type: kind, vocab } = description.model ?? {};
  if (kind !== undefined && !['WordPiece', 'BPE', 'Unigram'].some((known) => known === kind)) {
    throw invalid(
      where,
      `its model is ${JSON.stringify(kind)}; WordPiece, BPE, Unigram and WordLevel are supported`,
    );
  }
  if (typeof vocab !== 'object' || vocab === null) throw invalid(where, 'it has no model with a vocabulary');
  let tokenizer: Tokenizer;
  let frame: TokenFrame;
  try {
    tokenizer = openTokenizer(description, vocab, settings);
    frame = findTokenFrame(tokenizer);
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
    highestId: highestId(vocab),
    frameLength: before.length + after.length,
    isAdded: (id) => description.added_tokens?.some((token) => token?.id === id) === true,
    limit: [settings.model_max_length, description.truncation?.max_length]
      .filter((value): value is number => typeof value === 'number' && value > 0 && value <= longestLimit)
      .sort((a, b) => a - b)[0],
  };
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
