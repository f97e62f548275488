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
  const feed = (ids: readonly number[]): TensorMap => encoder.arrange([ids]).feeds(0, 1);
  const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
  const note = `longer than the ${tokens.maxLength} tokens that the model reads: the rest is left out`;
  return {
    trial: () => feed(encoder.idsOf(bytesOf('A text to try the model with.'))),
    async read(input) {
      const bytes = bytesOf(input as string);
      const ids = encoder.idsOf(bytes);
      const isCut = ids.length === tokens.maxLength && encoder.isCut(bytes);
      return { feeds: feed(ids), ...(isCut && { note }) };
    },
  };
}
