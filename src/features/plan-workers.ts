/** How many sessions of how many threads, and how large a batch. */
import { availableParallelism } from 'node:os';
import { freeMemory } from '../free-memory.js';
import type { NodeProvider } from '../runtime/providers.js';

export interface Division {
  /** Sessions, each in a thread of its own. */
  readonly workers: number;
  /** Threads inside a session; undefined leaves it to the runtime. */
  readonly threads: number | undefined;
}

export interface WorkerPlan {
  readonly provider: NodeProvider;
  /** Ways to divide the cores, the one that is expected to be the fastest first. */
  readonly divisions: readonly Division[];
  /** Most examples a run of the model. */
  readonly perRun: number;
  /** Examples handed to a worker at once, before it is known how long one takes. */
  readonly batch: number;
  /** Most of them, where one takes no time. */
  readonly mostPerBatch: number;
}

export type PlannedExample =
  /** Bytes of one image as the model takes it. */
  { readonly kind: 'image'; readonly sizeBytes: number } | { readonly kind: 'text' };

/** Encoded bytes, weights and packed copies of them: about what one session takes, in sizes of the model. */
const memoryPerModelByte = 3;

/** Handing a parcel over takes 0.2 ms, so images are not handed over singly. */
const batchBytes = 4 * 2 ** 20;
const firstPerBatch = 8;
/** Larger parcels are those whose work takes so long; all of one are lost to a stop, and the last ones leave other cores idle. */
const batchMs = 25;
export const mostPerBatch = 32;

/** Texts handed over at once, among which those of similar length are run together. */
const textWindow = 64;
/** Questions of some 16 tokens take MiniLM's size of network 1.4 times as long alone as eight at once; 16 and 32 gain no more. */
const textsPerRun = 8;

/**
 * On a CPU one session a core with one thread each beats one session with all threads (75 to 56 images/s for NanoDet
 * on two cores), as long as the weights fit in memory that often; on a GPU one session keeps the device busy. Where that
 * is not so, a long run finds out by trying.
 * A CPU wants single images: larger batches leave its caches, take more memory and were never faster (1, 2, 4, 8, 16).
 * A row then does not even depend on its neighbours.
 */
export function planWorkers(options: {
  /** With its weights. */
  readonly modelBytes: number;
  readonly example: PlannedExample;
  readonly provider?: NodeProvider | undefined;
  readonly batch?: number | undefined;
  readonly threads?: number | undefined;
  readonly workers?: number | undefined;
}): WorkerPlan {
  const { modelBytes, example, provider = 'cpu', batch, threads, workers } = options;
  if (provider !== 'cpu') {
    const perRun = batch ?? 32;
    const divisions = [{ workers: workers ?? 1, threads }];
    const handed = handedOver(example, perRun);
    return { provider, divisions, perRun, batch: handed, mostPerBatch: handed };
  }
  const cores = threads ?? availableParallelism();
  const fitting = Math.floor(freeMemory() / 2 / (memoryPerModelByte * Math.max(1, modelBytes)));
  const most = workers ?? Math.max(1, Math.min(cores, fitting));
  const counts = workers === undefined ? [most, Math.ceil(most / 2), 1] : [most];
  return {
    provider,
    divisions: [...new Set(counts)].map((count) => ({
      workers: count,
      threads: Math.max(1, Math.floor(cores / count)),
    })),
    perRun: batch ?? (example.kind === 'text' ? textsPerRun : 1),
    batch: handedOver(example, batch),
    mostPerBatch: batch === undefined && example.kind === 'image' ? mostPerBatch : handedOver(example, batch),
  };
}

/** How many examples to hand over at once, where one takes a worker so many milliseconds; NaN while that is not known. */
export function parcelSize(
  { batch, mostPerBatch: most }: Pick<WorkerPlan, 'batch' | 'mostPerBatch'>,
  msPerExample: number,
): number {
  const fitting = Math.floor(batchMs / msPerExample);
  return fitting > batch ? Math.min(most, fitting) : batch;
}

/** @param batch - examples a run, where that was said */
function handedOver(example: PlannedExample, batch: number | undefined): number {
  if (example.kind === 'text') return Math.max(textWindow, batch ?? 0);
  return batch ?? Math.max(1, Math.min(firstPerBatch, Math.floor(batchBytes / example.sizeBytes)));
}
