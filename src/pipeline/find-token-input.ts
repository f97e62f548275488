/** The token inputs of a text backbone, its tokenizer, and how long its texts may be. */
import { GraftError, messageOf } from '../errors.js';
import { openTextEncoder } from '../inputs/encode-texts.js';
import { listTokenInputs, type TokenInputs } from '../graph/token-inputs.js';
import type { Logger } from '../logger.js';
import { byteTokenizer } from '../models/byte-tokenizer.js';
import { type TokenSpec, tokenDims } from '../models/input-spec.js';
import type { Model } from '../onnx/ir.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import { findTokenizer, longestByConfig } from '../text/find-tokenizer.js';
import { loadTokenizer, type TextTokenizer } from '../text/load-tokenizer.js';
import { pairFrameLength } from '../text/pair-frame.js';
import type { FoundInput, InputOptions } from './find-input.js';

/** Most tokens where nobody names another length: longer texts cost much and seldom tell more of their class. */
const usualLength = 128;

/** @throws GraftError INVALID_TOKENIZER, USAGE for a length that does not fit. */
export async function findTokenInput(
  model: Model,
  inputs: TokenInputs,
  file: string,
  options: InputOptions,
  logger: Logger,
): Promise<FoundInput> {
  const found = await findTokenizer({ ...options, modelPath: file, metadata: model.metadata });
  const { where } = found;
  const { takesPairs } = options;
  // Of bytes alone the last word of one text and the first of the other would be one.
  const isBytes = takesPairs && found.files.json === byteTokenizer();
  const files = isBytes ? { json: byteTokenizer({ dividesPairs: true }) } : found.files;
  const tokenizer = loadTokenizer(files, where);
  assertBelongs(tokenizer, inputs, { file, where, logger });
  if (takesPairs) sayUndivided(tokenizer, inputs, where, logger);
  const maxLength = await chooseLength(model, inputs, tokenizer, file, options);
  const { fixedLength, vocabulary = Number.POSITIVE_INFINITY } = inputs;
  const { padId } = tokenizer;
  const fill = padId !== undefined && padId < vocabulary ? padId : fixedLength === undefined ? undefined : 0;
  logger.info(`Tokenizer: ${where}.`);
  const spec: TokenSpec = {
    kind: 'tokens',
    tokenizer: files,
    maxLength,
    ...(fill !== undefined && { padId: fill }),
    inputs,
    ...(takesPairs && { takesPairs }),
  };
  return {
    model,
    probe: { inputDims: tokenDims(inputs, maxLength) },
    what: 'text',
    names: listTokenInputs(inputs).map(({ name }) => name),
    describe: () => spec,
  };
}

/**
 * The description with a length that the backbone runs on: nothing in a file tells how many positions it has learned.
 * @param features - tokens → features
 * @param given - the length that the user named; where there is none, a shorter one is looked for
 * @throws GraftError INVALID_ARGUMENT where it does not run on the length that was named, or on none
 */
export async function fitLength(
  features: Model,
  spec: TokenSpec,
  { file, given, logger }: { file: string; given: number | undefined; logger: Logger },
): Promise<TokenSpec> {
  const say = (maxLength: number): TokenSpec => {
    logger.info(`Texts are cut to ${maxLength} tokens (--max-length), those at their ends included.`);
    return { ...spec, maxLength };
  };
  if (spec.inputs.fixedLength !== undefined) return say(spec.maxLength);
  const failureAt = lengthTrial(features, spec);
  const failure = await failureAt(spec.maxLength);
  if (failure === undefined) return say(spec.maxLength);
  let runs = 0;
  if (given === undefined) {
    for (let fails = spec.maxLength; fails - runs > 1;) {
      const middle = (runs + fails) >> 1;
      if ((await failureAt(middle)) === undefined) runs = middle;
      else fails = middle;
    }
  }
  if (runs > 0) return say(runs);
  throw new GraftError(
    'INVALID_ARGUMENT',
    `${file} does not run on a text of ${spec.maxLength} tokens; give fewer with --max-length. ${messageOf(failure).split('\n')[0]}`,
    { cause: failure },
  );
}

/**
 * Words as the tokenizer gives them, and its last token: some models count no positions for what only fills texts up, and
 * may take another token for that than the tokenizer does.
 */
function lengthTrial(features: Model, spec: TokenSpec): (length: number) => Promise<unknown> {
  const encoder = openTextEncoder(spec);
  const { ids: words, types } = encoder.tokensOfTrial('one text of a few words');
  const { highestId } = loadTokenizer(spec.tokenizer, 'the tokenizer');
  const names = features.graph.outputs.map(({ name }) => name);
  return async (length) => {
    // Some models look for the token that ends a text, and for a single one.
    const repeat = (values: readonly number[]): number[] =>
      Array.from({ length }, (_, i) =>
        i === length - 1 ? values.at(-1)! : values[i % Math.max(1, values.length - 1)]!,
      );
    const row = { ids: repeat(words), types: repeat(types) };
    const last = { ...row, ids: row.ids.map((id, i) => (i === length - 1 ? id : highestId)) };
    const texts = encoder.arrange([row, last]);
    try {
      for (let at = 0; at < texts.count; at += texts.together(at, 2))
        await probeShapes(features, { feeds: texts.feeds(at, at + texts.together(at, 2)), names });
      return undefined;
    } catch (error) {
      return error;
    }
  };
}

function assertBelongs(
  { highestId }: TextTokenizer,
  { vocabulary }: TokenInputs,
  { file, where, logger }: { file: string; where: string; logger: Logger },
): void {
  if (vocabulary === undefined) return;
  const counts = `${where} has ids up to ${highestId}, but the table of tokens in ${file} has ${vocabulary} rows`;
  if (highestId >= vocabulary) {
    throw new GraftError(
      'INVALID_TOKENIZER',
      `The tokenizer does not belong to the backbone: ${counts}. Give the tokenizer.json of this very model with --tokenizer.`,
    );
  }
  // Tables are rounded up to some multiple, and a few tokens may be added.
  if (vocabulary > 1.5 * highestId + 1000)
    logger.warn(`The tokenizer may not belong to the backbone: ${counts}.`);
}

/** Such a model takes "ab" and "c" for "a" and "bc". */
function sayUndivided(tokenizer: TextTokenizer, inputs: TokenInputs, where: string, logger: Logger): void {
  const { between, types } = tokenizer.pairFrame();
  if (between.ids.some((id) => tokenizer.isAdded(id)) || (inputs.types && types[0] !== types[1])) return;
  logger.warn(
    `Nothing tells the backbone where the second text of a pair begins: the tokenizer (${where}) has no token of its own between the two, and no token types are taken. Expect little where it matters which text says what.`,
  );
}

async function chooseLength(
  { metadata }: Model,
  { fixedLength }: TokenInputs,
  tokenizer: TextTokenizer,
  file: string,
  { maxLength: given, takesPairs }: InputOptions,
): Promise<number> {
  const { limit } = tokenizer;
  const frameLength = takesPairs ? pairFrameLength(tokenizer.pairFrame()) : tokenizer.frameLength;
  const byConfig = await longestByConfig(file);
  const hardLimit = fixedLength ?? byConfig;
  if (given !== undefined && hardLimit !== undefined && given > hardLimit) {
    throw new GraftError(
      'USAGE',
      `Expected at most ${hardLimit} for --max-length, as ${file} takes, but received ${given}.`,
    );
  }
  if (given !== undefined && given <= frameLength) {
    throw new GraftError(
      'USAGE',
      `Expected more than ${frameLength} for --max-length, since the tokenizer puts as many tokens around each ${takesPairs ? 'pair' : 'text'}, but received ${given}.`,
    );
  }
  // An exported model was trained with this length.
  const before = Number(metadata.get('graft.max_length') ?? Number.NaN);
  if (given !== undefined) return given;
  if (before > 0) return Math.min(before, hardLimit ?? before);
  return fixedLength ?? Math.min(usualLength, limit ?? usualLength, byConfig ?? usualLength);
}
