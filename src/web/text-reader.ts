/** Texts to the tensors of tokens that a text model takes, by the code that Node runs. */
import { openTextEncoder } from '../inputs/encode-texts.js';
import type { TokenizerFiles } from '../models/token-spec.js';
import type { TensorMap } from '../runtime/session.js';
import type { TextInput } from '../serve/served-model.js';
import type { InputReader } from './input-reader.js';

/** @throws GraftError INVALID_TOKENIZER */
export async function openTextReader({ tokens }: TextInput): Promise<InputReader> {
  const tokenizer = (await (await fetch('/tokenizer.json')).json()) as TokenizerFiles;
  const encoder = openTextEncoder({ ...tokens, tokenizer });
  const feed = (bytes: Uint8Array): TensorMap => encoder.arrange([encoder.idsOf(bytes)]).feeds(0, 1);
  const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
  const note = `longer than the ${tokens.maxLength} tokens that the model reads: the rest is left out`;
  return {
    trial: () => feed(bytesOf('A text to try the model with.')),
    async read(input) {
      const bytes = bytesOf(input as string);
      return { feeds: feed(bytes), ...(encoder.isCut(bytes) && { note }) };
    },
  };
}
