/** What the main thread and the extraction workers say to each other. */
import type { GraftErrorCode } from '../errors.js';
import type { RandomView } from '../image/random-view.js';
import type { InputSpec } from '../models/input-spec.js';
import type { NodeProvider } from '../runtime/providers.js';

/**
 * Batches that a worker has at a time: one in the model, the others being decoded. With two, a worker waits for the main
 * thread's answer on a busy machine (81 % of the ideal rate for NanoDet on two cores, with four 92 %).
 */
export const batchesPerWorker = 4;

export interface WorkerSetup {
  /** Encoded model, shared by all workers, or its path. */
  readonly model: SharedArrayBuffer | string;
  readonly input: InputSpec;
  /** Whether it is told which texts the model does not read to their end, which takes another look at the long ones. */
  readonly tellsCut?: boolean | undefined;
  /** What the model is run on for each example: itself (undefined), of images also random views. */
  readonly views: readonly (RandomView | undefined)[];
  /** What is wanted of the model, by name (undefined is its first output), of which view, with the values in a row. */
  readonly outputs: readonly {
    readonly name: string | undefined;
    /** Index into `views`. */
    readonly view: number;
    readonly dim: number;
  }[];
  /** Most examples a run of the model. */
  readonly perRun: number;
  /** Most bytes of decoded pixels that wait to be used; a larger image is decoded alone. */
  readonly pixelBytes: number;
  readonly provider: NodeProvider;
  /** Threads inside the session; undefined leaves it to the runtime. */
  readonly threads: number | undefined;
}

export interface Batch {
  /** Encoded images, or texts as UTF-8. */
  readonly examples: readonly Uint8Array<ArrayBuffer>[];
  /** sha256 of each example. */
  readonly keys: readonly Uint8Array[];
  /** Which of the views are wanted, as indices into them. */
  readonly views: readonly number[];
}

/** Sent with the examples' memory handed over. */
export interface BatchMessage extends Batch {
  readonly id: number;
}

export interface BatchFeatures {
  /** [examples, dim] of each output, empty where its view was not wanted; rows of broken examples are meaningless. */
  readonly features: readonly Float32Array[];
  readonly broken: readonly { readonly slot: number; readonly reason: string }[];
  /** Slots of texts that are longer than what the model reads, where `tellsCut` asks for them. */
  readonly cut: readonly number[];
}

export type WorkerMessage =
  | ({ readonly kind: 'done'; readonly id: number } & BatchFeatures)
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly code: GraftErrorCode;
      readonly message: string;
    };
