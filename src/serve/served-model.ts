/** What the page is told of the model, as JSON. */
import type { TokenSpec } from '../models/token-spec.js';
import type { PreprocessSpec } from '../models/preprocess-spec.js';
import type { TaskKind } from '../tasks/task-kind.js';

/** What the model takes; the page has a panel for each kind. */
export interface ImageInput {
  readonly kind: 'image';
  readonly preprocess: PreprocessSpec;
}

export interface TextInput {
  readonly kind: 'text';
  /** The tokenizer itself, which is large, is asked for by its own address. */
  readonly tokens: Omit<TokenSpec, 'tokenizer'>;
}

export type ServedInput = ImageInput | TextInput;

export interface ServedModel {
  /** Name of the file. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly task: TaskKind;
  /** Names of the classes, labels or numbers, in the order of the output. */
  readonly labels: readonly string[];
  readonly input: ServedInput;
  /** Name of the model's output that holds probabilities or numbers. */
  readonly output: string;
}
