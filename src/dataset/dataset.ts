/** A labelled data set as a list; bytes are read when they are needed. */

export type Split = 'train' | 'validation' | 'test';

export interface Example {
  /** Absolute path of the image. */
  readonly path: string;
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
