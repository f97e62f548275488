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
  const feed = (text: string): TensorMap =>
    encoder.arrange([encoder.idsOf(new TextEncoder().encode(text))]).feeds(0, 1);
  return {
    trial: () => feed('A text to try the model with.'),
    read: async (input) => ({ feeds: feed(input as string) }),
  };
}
