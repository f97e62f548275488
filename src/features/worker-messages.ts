/** What the main thread and the extraction workers say to each other. */
import type { GraftErrorCode } from '../errors.js';
import type { RandomView } from '../image/random-view.js';
import type { PixelShape, PreprocessSpec } from '../models/preprocess-spec.js';
import type { NodeProvider } from '../runtime/providers.js';

/**
 * Batches that a worker has at a time: one in the model, the others being decoded. With two, a worker waits for the main
 * thread's answer on a busy machine (81 % of the ideal rate for NanoDet on two cores, with four 92 %).
 */
export const batchesPerWorker = 4;

export interface WorkerSetup {
  /** Encoded model, shared by all workers, or its path. */
  readonly model: SharedArrayBuffer | string;
  /** Name; undefined is the model's first one. */
  readonly input: string | undefined;
  /** What the model is run on for each image: the plain image (undefined) and random views of it. */
  readonly views: readonly (RandomView | undefined)[];
  /** What is wanted of the model, by name (undefined is its first output), of which view, with the values in a row. */
  readonly outputs: readonly {
    readonly name: string | undefined;
    /** Index into `views`. */
    readonly view: number;
    readonly dim: number;
  }[];
  readonly preprocess: PreprocessSpec;
  readonly pixels: PixelShape;
  /** Most images in one batch. */
  readonly batch: number;
  /** Images a run of the model. */
  readonly perRun: number;
  readonly provider: NodeProvider;
  /** Threads inside the session; undefined leaves it to the runtime. */
  readonly threads: number | undefined;
}

/** Sent with the images' memory handed over. */
export interface BatchMessage {
  readonly id: number;
  readonly images: readonly Uint8Array[];
  /** sha256 of each image. */
  readonly keys: readonly Uint8Array[];
  /** Which of the views are wanted, as indices into them. */
  readonly views: readonly number[];
}

export interface BatchFeatures {
  /** [images, dim] of each output, empty where its view was not wanted; rows of broken images are meaningless. */
  readonly features: readonly Float32Array[];
  readonly broken: readonly { readonly slot: number; readonly reason: string }[];
}

export type WorkerMessage =
  | ({ readonly kind: 'done'; readonly id: number } & BatchFeatures)
  | { readonly kind: 'failed'; readonly code: GraftErrorCode; readonly message: string };
