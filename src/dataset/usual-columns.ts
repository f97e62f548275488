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
export const labelColumns: readonly string[] = ['label', 'class', 'category', 'target'];
