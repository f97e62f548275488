/** Texts, or pairs of texts, to what a text model takes of them: ids, masks, types, positions, int64 or int32 [texts, tokens]. */
import { GraftError } from '../errors.js';
import { bearsFilling, type TokenInput } from '../graph/token-inputs.js';
import type { TokenSpec } from '../models/token-spec.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { bytesOfText, dividePair } from '../sources/text-pair.js';
import type { Tokens } from '../text/encode-pair.js';
import { loadTokenizer } from '../text/load-tokenizer.js';
import type { EncodedExamples } from './encoded-examples.js';

export interface TextEncoder {
  /**
   * @param bytes - as `bytesOfText` gives them: of a pair where the model takes pairs, else of a text
   * @throws GraftError INVALID_TEXT for bytes that are no UTF-8, or a text that the model cannot take.
   */
  tokensOf(bytes: Uint8Array): Tokens;
  /** Of a made-up text to try a model with; where it takes pairs, of the text and the same text. @throws as `tokensOf` */
  tokensOfTrial(text: string): Tokens;
  /** Whether the text has more tokens than the model reads. @throws GraftError INVALID_TEXT */
  isCut(bytes: Uint8Array): boolean;
  /** Texts without tokens are left out. Those of similar length come together, so that little is filled up. */
  arrange(texts: readonly (Tokens | undefined)[]): EncodedExamples;
}

/** @throws GraftError INVALID_TOKENIZER */
export function openTextEncoder(spec: TokenSpec): TextEncoder {
  const tokenizer = loadTokenizer(spec.tokenizer, 'the tokenizer');
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const encode = (bytes: Uint8Array, maxLength: number): Tokens => {
    if (!spec.takesPairs) {
      const ids = tokenizer.encode(decode(bytes, decoder), maxLength);
      return { ids, types: tokenizer.typesOf(ids.length) };
    }
    const pair = dividePair(bytes);
    if (!pair) throw new GraftError('INVALID_TEXT', 'It is one text, but the model takes pairs of texts.');
    return tokenizer.encodePair([decode(pair[0], decoder), decode(pair[1], decoder)], maxLength);
  };
  const tokensOf = (bytes: Uint8Array): Tokens => {
    const tokens = encode(bytes, spec.maxLength);
    if (tokens.ids.length === 0) throw new GraftError('INVALID_TEXT', 'The text holds no tokens.');
    const { vocabulary = Number.POSITIVE_INFINITY } = spec.inputs;
    const strange = tokens.ids.find((id) => id >= vocabulary);
    if (strange === undefined) return tokens;
    throw new GraftError(
      'INVALID_TEXT',
      `The tokenizer gives id ${strange} for it, but the model's table of tokens has ${vocabulary} rows: the tokenizer does not belong to the backbone.`,
    );
  };
  return {
    tokensOf,
    tokensOfTrial: (text) => tokensOf(bytesOfText(spec.takesPairs ? [text, text] : text)),
    isCut: (bytes) => encode(bytes, spec.maxLength + 1).ids.length > spec.maxLength,
    arrange: (texts) => arrange(texts, spec),
  };
}

/** Longer ones are no texts, and their strings would exhaust the memory. */
const longestText = 64 * 2 ** 20;

function decode(bytes: Uint8Array, decoder: InstanceType<typeof TextDecoder>): string {
  if (bytes.length > longestText) {
    throw new GraftError('INVALID_TEXT', `It has ${bytes.length} bytes, more than any text.`);
  }
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new GraftError('INVALID_TEXT', 'It is not UTF-8 text.', { cause: error });
  }
}

function arrange(texts: readonly (Tokens | undefined)[], { inputs, padId = 0 }: TokenSpec): EncodedExamples {
  const lengthAt = (i: number): number => texts[i]!.ids.length;
  const order = [...texts.keys()]
    .filter((i) => texts[i] !== undefined)
    .sort((a, b) => lengthAt(a) - lengthAt(b) || a - b);
  const { fixedLength, isSingle } = inputs;
  const mayFill = bearsFilling(inputs);
  return {
    count: order.length,
    order,
    together(start, most) {
      const limit = Math.min(isSingle ? 1 : most, order.length - start);
      if (mayFill) return limit;
      let count = 1;
      while (count < limit && lengthAt(order[start + count]!) === lengthAt(order[start]!)) count++;
      return count;
    },
    feeds(start, end) {
      const rows = order.slice(start, end).map((i) => texts[i]!);
      const length = fixedLength ?? Math.max(...rows.map(({ ids }) => ids.length));
      const dims = [rows.length, length];
      const feeds: Record<string, Tensor> = {};
      const put = (input: TokenInput | undefined, valueAt: (row: number, i: number) => number) => {
        if (input) feeds[input.name] = fill(input, dims, valueAt);
      };
      put(inputs.ids, (row, i) => rows[row]!.ids[i] ?? padId);
      put(inputs.mask, (row, i) => (i < rows[row]!.ids.length ? 1 : 0));
      put(inputs.types, (row, i) => rows[row]!.types[i] ?? 0);
      put(inputs.positions, (_, i) => i);
      return feeds;
    },
  };
}

function fill(
  { dtype }: TokenInput,
  dims: readonly number[],
  valueAt: (row: number, column: number) => number,
): Tensor {
  const data = new (dtypeInfo(dtype).array)(sizeOf(dims));
  const columns = dims[1]!;
  for (let row = 0, at = 0; row < dims[0]!; row++) {
    for (let column = 0; column < columns; column++, at++) {
      const value = valueAt(row, column);
      if (dtype === 'int64') (data as BigInt64Array)[at] = BigInt(value);
      else (data as Int32Array)[at] = value;
    }
  }
  return { dtype, dims, data };
}
