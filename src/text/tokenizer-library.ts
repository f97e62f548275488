import { fileURLToPath } from 'node:url';

/** Path of the one file of the tokenizer library, which browsers load as it is. */
export function tokenizerLibrary(): string {
  return fileURLToPath(import.meta.resolve('@huggingface/tokenizers'));
}
