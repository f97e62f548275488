/** What tells one way to read examples from another, in the key of a store. */
import { createHash } from 'node:crypto';
import type { InputSpec } from './input-spec.js';
import type { PreprocessSpec } from './preprocess-spec.js';
import type { TokenizerFiles } from './token-spec.js';

/** What tells one tokenizer from another: sha256, as 64 hex digits, of its files. */
export function tokenizerSha256({ json, config = '' }: TokenizerFiles): string {
  return createHash('sha256').update(json).update('\0').update(config).digest('hex');
}

/** What an example's features depend on besides its bytes and the model: one of the two. */
export type InputIdentity = (
  | { readonly preprocess: PreprocessSpec; readonly tokens?: undefined }
  | { readonly tokens: TokenIdentity; readonly preprocess?: undefined }
) & {
  /** Features of a model that takes one image a run; of texts the tokens tell it. */
  readonly isSingle?: true;
};

export interface TokenIdentity {
  /** Raised when the same tokenizer comes to give other ids; 5 of those with tokens that must be whole words. */
  readonly version: 4 | 5;
  readonly tokenizerSha256: string;
  readonly maxLength: number;
  /** Examples are pairs of texts. */
  readonly takesPairs?: true;
  /** Features of a model that takes one text a run. */
  readonly isSingle?: true;
  /** Features of a model that takes texts of one length a run, though it has a mask. */
  readonly isOfOneLength?: true;
}

export function identifyInput(input: InputSpec): InputIdentity {
  if (input.kind === 'pixels')
    return { preprocess: input.preprocess, ...(input.isSingle && { isSingle: true }) };
  const { tokenizer, maxLength, takesPairs, inputs } = input;
  return {
    tokens: {
      version: /"single_word":\s*true/.test(tokenizer.json) ? 5 : 4,
      tokenizerSha256: tokenizerSha256(tokenizer),
      maxLength,
      ...(takesPairs && { takesPairs }),
      ...(inputs.isSingle ? { isSingle: true } : inputs.isOfOneLength && { isOfOneLength: true }),
    },
  };
}
