/** Where the bytes of an example lie, as plain data: it may go to another thread or into a file. */
import type { TextPair } from './text-pair.js';

export type Source =
  /** A part of a file, such as a member of a tar archive. */
  | { readonly kind: 'slice'; readonly file: string; readonly start: number; readonly length: number }
  /** A file of a zip archive: `length` bytes behind the header at `start`, which become `size`. */
  | {
      readonly kind: 'zip';
      readonly file: string;
      readonly start: number;
      readonly length: number;
      readonly size: number;
      /** CRC-32 of the content. */
      readonly checksum: number;
    }
  /** A value of a Parquet file, or of a pair of texts two, each in its column; rows count from 0. */
  | {
      readonly kind: 'parquet';
      readonly file: string;
      readonly column: string;
      readonly second?: string | undefined;
      readonly row: number;
    }
  | { readonly kind: 'url'; readonly url: string }
  /** A text that is its own content; its bytes are UTF-8. */
  | { readonly kind: 'text'; readonly text: string }
  /** As `joinPair` makes one of the UTF-8 of both. */
  | { readonly kind: 'pair'; readonly texts: TextPair };

export interface Located {
  /** What names the example in messages: its path, or its archive's and its own name in it. */
  readonly path: string;
  /** Absent: the file `path` itself. */
  readonly source?: Source | undefined;
}

/** A list that need not hold its items as objects; an array is one. */
export interface LocatedList {
  readonly length: number;
  at(index: number): Located | undefined;
}

/** The file that the bytes come from, if one can tell by its state whether they changed. */
export function fileOf({ path, source }: Located): string | undefined {
  if (!source) return path;
  return 'file' in source ? source.file : undefined;
}

/** The place of the bytes, another one for every example of a file: names may repeat within an archive. */
export function placeOf({ path, source }: Located): string {
  switch (source?.kind) {
    case undefined:
      return path;
    case 'slice':
    case 'zip':
      return `${source.file}\0${source.start}+${source.length}`;
    case 'parquet':
      return source.second === undefined
        ? `${source.file}\0${source.column}\0${source.row}`
        : JSON.stringify([source.file, source.column, source.second, source.row]);
    case 'url':
      return source.url;
    case 'text':
      return `${path}\0${source.text}`;
    case 'pair':
      return JSON.stringify([path, ...source.texts]);
  }
}
