/** Names that columns go by where none is named: the first that is there is taken. */
export const imageColumns: readonly string[] = [
  'image',
  'path',
  'file',
  'filename',
  'file_name',
  'filepath',
  'image_path',
  'url',
  'image_url',
];
export const textColumns: readonly string[] = [
  'text',
  'sentence',
  'content',
  'question',
  'query',
  'utterance',
  'review',
  'comment',
  'message',
  'tweet',
  'document',
  'body',
  'title',
];
/** Of pairs of texts; names that mean nothing else. */
const pairColumns: readonly (readonly [string, string])[] = [
  ['sentence1', 'sentence2'],
  ['premise', 'hypothesis'],
  ['question1', 'question2'],
  ['text1', 'text2'],
  ['text_a', 'text_b'],
  ['sentence_a', 'sentence_b'],
];
export const labelColumns: readonly string[] = [
  'label',
  'class',
  'category',
  'target',
  'intent',
  'sentiment',
  'labels',
];

/** Of parts, by names that may mean something else. */
export const perhapsSplitColumns: readonly string[] = ['subset', 'set', 'partition'];

/** The first of the usual pairs of which both are there. */
export function findUsualPair(columns: readonly string[]): readonly [string, string] | undefined {
  for (const pair of pairColumns) {
    const [first, second] = pair.map((name) => findUsual([name], columns));
    if (first !== undefined && second !== undefined) return [first, second];
  }
  return undefined;
}

/** Columns beside that of the texts which by their names hold another text, maybe the second of a pair. */
export function otherTexts(columns: readonly string[], taken: string): string[] {
  const usual = [...textColumns, 'passage', 'context', 'answer'];
  return columns.filter((name) => name !== taken && usual.includes(name.toLowerCase()));
}

/** The first of the usual names that is there, as the table spells it: `Label` and `LABEL` are a `label` too. */
export function findUsual(usual: readonly string[], columns: readonly string[]): string | undefined {
  for (const name of usual) {
    const found = columns.includes(name) ? name : columns.find((column) => column.toLowerCase() === name);
    if (found !== undefined) return found;
  }
  return undefined;
}
