/** Texts to the tensors of tokens that a text model takes, by the code that Node runs. */
import { openTextEncoder } from '../inputs/encode-texts.js';
import type { TokenizerFiles } from '../models/token-spec.js';
import type { TensorMap } from '../runtime/session.js';
import type { TextInput } from '../serve/served-model.js';
import { bytesOfText, type TextPair } from '../sources/text-pair.js';
import type { Tokens } from '../text/encode-pair.js';
import type { InputReader } from './input-reader.js';

/** @throws GraftError INVALID_TOKENIZER */
export async function openTextReader({ tokens }: TextInput): Promise<InputReader> {
  const tokenizer = (await (await fetch('/tokenizer.json')).json()) as TokenizerFiles;
  const encoder = openTextEncoder({ ...tokens, tokenizer });
  const feed = (read: Tokens): TensorMap => encoder.arrange([read]).feeds(0, 1);
  const note = `longer than the ${tokens.maxLength} tokens that the model reads: the rest is left out`;
  return {
    trial: () => feed(encoder.tokensOfTrial('A text to try the model with.')),
    async read(input) {
      const bytes = bytesOfText(input as string | TextPair);
      const read = encoder.tokensOf(bytes);
      const isCut = read.ids.length === tokens.maxLength && encoder.isCut(bytes);
      return { feeds: feed(read), ...(isCut && { note }) };
    },
  };
}
