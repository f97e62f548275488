/** A labelled data set as a list; bytes are read when they are needed. */
import type { Located } from '../sources/source.js';

export type Split = 'train' | 'validation' | 'test';

/** `path` is the absolute path of the image, or what names it where it lies elsewhere: an archive's member, an address. */
export interface Example extends Located {
  /** Index into `classes`. */
  readonly label: number;
  /** Set where the data set itself says which part the example belongs to. */
  readonly split?: Split;
}

export interface Dataset {
  readonly root: string;
  /** Sorted by name. */
  readonly classes: readonly string[];
  readonly examples: readonly Example[];
}
