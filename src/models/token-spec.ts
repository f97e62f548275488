/** What a model takes of a text, as plain data. */
import type { TokenInputs } from '../graph/token-inputs.js';

export interface TokenSpec {
  readonly kind: 'tokens';
  readonly tokenizer: TokenizerFiles;
  /** Most tokens of a text, those that the tokenizer adds at its ends included. */
  readonly maxLength: number;
  /** What texts are filled up with; absent where the tokenizer has nothing for it and none needs to be. */
  readonly padId?: number | undefined;
  readonly inputs: TokenInputs;
  /** An example is two texts, as `joinPair` makes one of them. */
  readonly takesPairs?: true;
}

/** A tokenizer as Hugging Face writes it. */
export interface TokenizerFiles {
  /** The text of `tokenizer.json`. */
  readonly json: string;
  /** The text of `tokenizer_config.json`, where there is one. */
  readonly config?: string | undefined;
}
