/** What makes a model's feeds of what the page was given; one for each kind of input. */
import type { TensorMap } from '../runtime/session.js';
import type { ClassifierInput } from './worker-messages.js';

export interface ReadInput {
  readonly feeds: TensorMap;
  /** A small picture of an image. */
  readonly thumbnail?: ImageBitmap;
  /** What of the input the model does not see. */
  readonly note?: string;
}

export interface InputReader {
  /** Feeds of something made up. @param inputName - the model's first input */
  trial(inputName: string): TensorMap;
  /** @throws GraftError where the input cannot be used */
  read(input: ClassifierInput, inputName: string): Promise<ReadInput>;
}
