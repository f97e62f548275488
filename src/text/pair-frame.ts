/**
 * What a tokenizer puts around and between the two texts of a pair, by the post-processor of its `tokenizer.json`, as Hugging
 * Face's tokenizers do it. Its JavaScript library gives some of these other token types.
 *
 *   TemplateProcessing   as its `pair` says
 *   BertProcessing       cls A sep B sep, types 0 0 0 1 1
 *   RobertaProcessing    cls A sep sep B sep, types 0
 *   ByteLevel, or none   A B, types 0 1
 */

export interface PairFrame {
  readonly before: Marks;
  readonly between: Marks;
  readonly after: Marks;
  /** Token types of the first and of the second text. */
  readonly types: readonly [number, number];
}

/** Tokens that are no part of a text. */
export interface Marks {
  readonly ids: readonly number[];
  readonly types: readonly number[];
}

/**
 * @param postProcessor - of a parsed `tokenizer.json`
 * @throws Error with the reason where it has no place for two texts, or one that is not known here
 */
export function findPairFrame(postProcessor: unknown): PairFrame {
  const [processor, ...more] = flatten(postProcessor);
  if (more.length > 0) throw new Error('it has several post-processors that put tokens around texts');
  switch (processor?.type) {
    case undefined:
      return { before: marks(), between: marks(), after: marks(), types: [0, 1] };
    case 'TemplateProcessing':
      return ofTemplate(processor);
    case 'BertProcessing': {
      const { cls, sep } = processor as unknown as Ends;
      return { before: marks([cls[1]]), between: marks([sep[1]]), after: marks([sep[1]], 1), types: [0, 1] };
    }
    case 'RobertaProcessing': {
      const { cls, sep } = processor as unknown as Ends;
      const twice = [sep[1], sep[1]];
      return { before: marks([cls[1]]), between: marks(twice), after: marks([sep[1]]), types: [0, 0] };
    }
    default:
      throw new Error(`its post-processor ${JSON.stringify(processor?.type)} is not known`);
  }
}

/** Tokens that are no part of either text. */
export function pairFrameLength({ before, between, after }: PairFrame): number {
  return before.ids.length + between.ids.length + after.ids.length;
}

interface Processor {
  readonly type?: unknown;
  readonly processors?: readonly unknown[];
}

/** Of Bert's and Roberta's: tokens and their ids. */
interface Ends {
  readonly cls: readonly [string, number];
  readonly sep: readonly [string, number];
}

interface Part {
  readonly Sequence?: { readonly id: 'A' | 'B'; readonly type_id: number };
  readonly SpecialToken?: { readonly id: string; readonly type_id: number };
}

interface Template extends Processor {
  readonly pair?: readonly (Part | null)[];
  readonly special_tokens?: Readonly<Record<string, { readonly ids: readonly number[] } | undefined>>;
}

/** Without those that put no tokens anywhere. */
function flatten(postProcessor: unknown): Processor[] {
  const processor = (postProcessor ?? {}) as Processor;
  if (processor.type === 'Sequence') return (processor.processors ?? []).flatMap(flatten);
  return processor.type === undefined || processor.type === 'ByteLevel' ? [] : [processor];
}

function marks(ids: readonly number[] = [], type = 0): Marks {
  return { ids, types: ids.map(() => type) };
}

function ofTemplate({ pair: given, special_tokens: special = {} }: Template): PairFrame {
  const pair = (Array.isArray(given) ? given : []).filter((part): part is Part => part !== null);
  const texts = pair.flatMap(({ Sequence: text }) => text ?? []);
  const order = texts.map(({ id }) => id).join('');
  if (order !== 'AB')
    throw new Error(`its template for pairs holds the texts ${order || 'nowhere'}, not A and B`);
  const at = pair.flatMap((part, i) => (part.Sequence ? [i] : [])) as [number, number];
  const marksOf = (start: number, end?: number): Marks => {
    const tokens = pair.slice(start, end).flatMap(({ SpecialToken: token }) => token ?? []);
    const each = tokens.map(({ id, type_id: type }) => marks(special[id]?.ids, type));
    return { ids: each.flatMap(({ ids }) => ids), types: each.flatMap(({ types }) => types) };
  };
  return {
    before: marksOf(0, at[0]),
    between: marksOf(at[0] + 1, at[1]),
    after: marksOf(at[1] + 1),
    types: [texts[0]!.type_id, texts[1]!.type_id],
  };
}
