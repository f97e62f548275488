/** Workers that run one model, as many as the plan says, and what is handed to them at a time. */
import type { RandomView } from '../image/random-view.js';
import { exampleDims, type InputSpec } from '../models/input-spec.js';
import type { NodeProvider } from '../runtime/providers.js';
import { sizeOf } from '../tensor/shape.js';
import { parcelSize, type PlannedExample, planWorkers } from './plan-workers.js';
import { TryingPool } from './trying-pool.js';
import type { WorkerSetup } from './worker-messages.js';
import { WorkerPool } from './worker-pool.js';

export interface PoolOptions {
  /** Encoded model, or its path. */
  readonly model: Uint8Array | string;
  /** With its weights. */
  readonly modelBytes: number;
  readonly input: InputSpec;
  readonly tellsCut?: WorkerSetup['tellsCut'];
  readonly views: readonly (RandomView | undefined)[];
  readonly outputs: WorkerSetup['outputs'];
  readonly provider?: NodeProvider | undefined;
  /** Most examples a run of the model; default: by the provider. */
  readonly batch?: number | undefined;
  /** Cores to use; default: all. */
  readonly threads?: number | undefined;
  /** Sessions at once; default: one a core on the CPU while the memory lasts, one on a GPU. */
  readonly workers?: number | undefined;
  /** Examples that are still to come, at most. */
  remaining(): number;
}

/**
 * So few examples are computed in the calling thread too: four photos are labelled by UltraFace in 0.27 s instead of 0.33,
 * 2062 cached in some 2 % less. In the long run a thread that does nothing else is 1 to 2 % faster.
 */
const worthCaller = 4096;

/** Most decoded pixels that wait for the models: three photos of 12 megapixels, a hundred and more of half a megapixel. */
const pixelBytes = 128 * 2 ** 20;

export interface OpenedPool {
  readonly pool: TryingPool;
  /**
   * How many examples to hand to it at once.
   * @param msPerExample - how long one takes by the clock, all workers at work; default: not known
   */
  parcel(msPerExample?: number): number;
}

export function openPool(options: PoolOptions): OpenedPool {
  const { model, input, tellsCut, views, outputs, remaining } = options;
  const plan = planWorkers({ ...options, example: plannedExample(input) });
  const { provider, perRun, divisions } = plan;
  const setup = {
    model: typeof model === 'string' ? model : shared(model),
    ...{ input, tellsCut, views, outputs, perRun, provider },
  };
  const pool = new TryingPool({
    divisions,
    open: ({ workers, threads }) =>
      new WorkerPool(
        { ...setup, threads, pixelBytes: pixelBytes / workers },
        {
          size: Math.max(1, Math.min(workers, Math.ceil(remaining() / plan.batch))),
          usesCaller: provider === 'cpu' && remaining() <= worthCaller,
        },
      ),
    remaining,
  });
  return {
    pool,
    parcel: (msPerExample = Number.NaN) => parcelSize(plan, msPerExample * pool.division.workers),
  };
}

function plannedExample(input: InputSpec): PlannedExample {
  if (input.kind === 'tokens') return { kind: 'text' };
  const [dims] = exampleDims(input).values();
  return { kind: 'image', sizeBytes: Float32Array.BYTES_PER_ELEMENT * sizeOf(dims!) };
}

/** One copy for all workers. */
function shared(bytes: Uint8Array): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}
