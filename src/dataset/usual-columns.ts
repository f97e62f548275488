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
export const labelColumns: readonly string[] = [
  'label',
  'class',
  'category',
  'target',
  'intent',
  'sentiment',
  'labels',
];

/** The first of the usual names that is there, as the table spells it: `Label` and `LABEL` are a `label` too. */
export function findUsual(usual: readonly string[], columns: readonly string[]): string | undefined {
  for (const name of usual) {
    const found = columns.includes(name) ? name : columns.find((column) => column.toLowerCase() === name);
    if (found !== undefined) return found;
  }
  return undefined;
}
