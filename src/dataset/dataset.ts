/** A labelled data set as a list; bytes are read when they are needed. */
import type { Located } from '../sources/source.js';
import type { TaskKind } from '../tasks/task.js';
import type { ExampleList } from './example-list.js';

/** `pairs` are of texts. */
export type ExampleKind = 'images' | 'texts' | 'pairs';
export type Split = 'train' | 'validation' | 'test';

/** `path` is the absolute path of the file, or what names it where it lies elsewhere: an archive's member, a row. */
export interface Example extends Located {
  /** Index into `classes`; where there are `targets`, the row of these. */
  readonly label: number;
  /** Set where the data set itself says which part the example belongs to. */
  readonly split?: Split | undefined;
  /** Number of what it belongs to (a patient, a camera); set where a column of groups was asked for. */
  readonly group?: number | undefined;
}

export interface Dataset {
  readonly root: string;
  readonly kind: ExampleKind;
  readonly task: TaskKind;
  /** Names of the outputs: classes sorted by name or in their order, labels, or numbers. */
  readonly classes: readonly string[];
  /** What each distinct label stands for, [labels, classes]: 0 or 1 for each class (multi), or numbers (regression). */
  readonly targets?: Float32Array | undefined;
  readonly examples: ExampleList;
}
