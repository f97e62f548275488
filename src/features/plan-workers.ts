/** How many sessions of how many threads, and how large a batch. */
import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { unreadable } from '../errors.js';
import type { NodeProvider } from '../runtime/providers.js';

export interface WorkerPlan {
  readonly provider: NodeProvider;
  readonly workers: number;
  /** Threads inside one session; undefined leaves it to the runtime. */
  readonly threads: number | undefined;
  /** Images a run of the model. */
  readonly perRun: number;
  /** Images handed to a worker at once. */
  readonly batch: number;
}

/** Encoded bytes, weights and packed copies of them: about what one session takes, in sizes of the model. */
const memoryPerModelByte = 3;

/** Handing over images in small parcels instead of singly saves 0.2 ms an image; more would only take memory. */
const batchBytes = 4 * 2 ** 20;
export const mostPerBatch = 8;

/**
 * On a CPU one session a core with one thread each beats one session with all threads (75 to 56 images/s for NanoDet
 * on two cores), as long as the weights fit in memory that often; on a GPU one session keeps the device busy.
 * A CPU wants single images: larger batches leave its caches, take more memory and were never faster (1, 2, 4, 8, 16).
 * A row then does not even depend on its neighbours.
 */
export async function planWorkers(options: {
  readonly model: Uint8Array | string;
  /** Bytes of one image as the model takes it. */
  readonly imageBytes: number;
  readonly provider?: NodeProvider | undefined;
  readonly batch?: number | undefined;
  readonly threads?: number | undefined;
  readonly workers?: number | undefined;
}): Promise<WorkerPlan> {
  const { model, imageBytes, provider = 'cpu', batch, threads, workers } = options;
  if (provider !== 'cpu') {
    return { provider, workers: workers ?? 1, threads, perRun: batch ?? 32, batch: batch ?? 32 };
  }
  const cores = threads ?? availableParallelism();
  const fitting = Math.floor(
    process.availableMemory() / 2 / (memoryPerModelByte * (await modelBytes(model))),
  );
  const sessions = workers ?? Math.max(1, Math.min(cores, fitting));
  return {
    provider,
    workers: sessions,
    threads: Math.max(1, Math.floor(cores / sessions)),
    perRun: batch ?? 1,
    batch: batch ?? Math.max(1, Math.min(mostPerBatch, Math.floor(batchBytes / imageBytes))),
  };
}

async function modelBytes(model: Uint8Array | string): Promise<number> {
  if (typeof model !== 'string') return Math.max(1, model.length);
  try {
    return Math.max(1, (await stat(model)).size);
  } catch (error) {
    throw unreadable(model, error);
  }
}
