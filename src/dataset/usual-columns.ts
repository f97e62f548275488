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
];
