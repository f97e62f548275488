/** A place where batches are computed, one after the other. */
import type { Batch, BatchFeatures } from './worker-messages.js';

export interface Seat {
  /** Batches that it takes at a time; 0: no more. */
  readonly limit: number;
  /** Batches that it has. */
  readonly outstanding: number;
  /**
   * The examples' memory may be handed over: do not touch it afterwards.
   * @throws GraftError INVALID_MODEL, UNSUPPORTED_MODEL, RUNTIME_FAILURE, or INTERRUPTED where it was dropped
   */
  compute(batch: Batch): Promise<BatchFeatures>;
  /**
   * Resolves when its session is released and its thread, where it has one, has ended.
   * @param drop - whether the batches that are not begun are wanted no more
   */
  close(drop: boolean): Promise<void>;
}
