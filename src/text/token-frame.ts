/** What a tokenizer puts around a single text, found out by samples. */
import type { Tokenizer } from './hugging-face-tokenizer.js';

/** Ids, and their token types. */
export interface TokenFrame {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly types: { readonly before: number[]; readonly inner: number; readonly after: number[] };
}

/** @throws Error where no sample gives a token */
export function findTokenFrame(tokenizer: Tokenizer): TokenFrame {
  for (const sample of ['a', 'the', '0', '.']) {
    const bare = tokenizer.encode(sample, { add_special_tokens: false }).ids;
    const whole = tokenizer.encode(sample, { return_token_type_ids: true });
    if (bare.length === 0) continue;
    const at = whole.ids.findIndex((_, start) => bare.every((id, i) => whole.ids[start + i] === id));
    if (at < 0) continue;
    const end = at + bare.length;
    const types = whole.token_type_ids ?? whole.ids.map(() => 0);
    return {
      before: whole.ids.slice(0, at),
      after: whole.ids.slice(end),
      types: { before: types.slice(0, at), inner: types[at] ?? 0, after: types.slice(end) },
    };
  }
  throw new Error('it makes no tokens of plain letters');
}
