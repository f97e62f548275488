/** `tokenizer.json` and `tokenizer_config.json` of a folder that transformers.js and Optimum load. */
import type { TokenInputs } from '../graph/token-inputs.js';
import type { TokenSpec } from '../models/input-spec.js';
import { truncationSide } from '../text/truncation-side.js';

/** Fields that tell of the machine, or of code, that a tokenizer came from. */
const privateFields = new Set(['name_or_path', 'special_tokens_map_file', 'auto_map', 'cache_dir']);

/** The tokenizer's own settings, with the length and the padding that the model was trained with. */
export function hubTokenizerConfig({ tokenizer, maxLength, padId, inputs }: TokenSpec): object {
  const given = JSON.parse(tokenizer.config ?? '{}') as Readonly<Record<string, unknown>>;
  const kept = Object.entries(given).filter(([name]) => !privateFields.has(name));
  const pad = padId === undefined ? undefined : tokenOf(tokenizer.json, padId);
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...Object.fromEntries(kept),
    ...(pad !== undefined && { pad_token: pad }),
    model_input_names: inputNames(inputs),
    model_max_length: maxLength,
    padding_side: 'right',
    truncation_side: truncationSide(given, JSON.parse(tokenizer.json) as Description),
  };
}

/** What the tokenizer has to give: without the list, transformers gives no types, whether the model takes them or not. */
function inputNames({ mask, types }: TokenInputs): string[] {
  return ['input_ids', ...(types ? ['token_type_ids'] : []), ...(mask ? ['attention_mask'] : [])];
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
}

interface Description {
  readonly truncation?: { readonly direction?: unknown } | null;
  readonly added_tokens?: readonly AddedToken[] | null;
  readonly decoder?: { readonly type?: unknown } | null;
  /** Ids by token, or tokens with their scores in the order of ids. */
  readonly model?: {
    readonly vocab?: Readonly<Record<string, number>> | readonly (readonly [string, number])[];
  };
}

function tokenOf(json: string, id: number): string | undefined {
  const { added_tokens: added, model } = JSON.parse(json) as Description;
  const vocab = model?.vocab ?? {};
  const isList = (list: typeof vocab): list is readonly (readonly [string, number])[] => Array.isArray(list);
  return (
    added?.find((token) => token.id === id)?.content ??
    (isList(vocab) ? vocab[id]?.[0] : Object.entries(vocab).find(([, own]) => own === id)?.[0])
  );
}

/** What the library of Python insists on, and others take for granted. */
const tokenFlags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
const byteDecoder = { add_prefix_space: false, trim_offsets: true, use_regex: true };

/** The text of `tokenizer.json`, as it was unless fields are missing without which transformers does not load it. */
export function hubTokenizer(json: string): string {
  const description = JSON.parse(json) as Description;
  const { decoder } = description;
  const added = description.added_tokens ?? [];
  const lacks = (part: object, fields: object): boolean =>
    Object.keys(fields).some((name) => !(name in part));
  const isBytes = decoder?.type === 'ByteLevel';
  if (!added.some((token) => lacks(token, tokenFlags)) && !(isBytes && lacks(decoder, byteDecoder)))
    return json;
  return JSON.stringify({
    ...description,
    added_tokens: added.map((token) => ({ ...tokenFlags, ...token })),
    ...(isBytes && { decoder: { ...byteDecoder, ...decoder } }),
  });
}
