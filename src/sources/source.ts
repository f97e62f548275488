/** Where the bytes of an example lie, as plain data: it may go to another thread or into a file. */

export type Source =
  /** A part of a file, such as a member of a tar archive. */
  | { readonly kind: 'slice'; readonly file: string; readonly start: number; readonly length: number }
  | { readonly kind: 'url'; readonly url: string };

export interface Located {
  /** What names the example in messages: its path, or its archive's and its own name in it. */
  readonly path: string;
  /** Absent: the file `path` itself. */
  readonly source?: Source;
}
