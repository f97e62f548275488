/**
 * All that the rest of a training run depends on, to go on from after the process ended: the same bits come out as if it
 * had never stopped, on the same machine with the same libraries.
 */
import { GraftError, messageOf } from '../errors.js';
import { decodeSafetensors, encodeSafetensors } from '../tensor/safetensors.js';
import type { Tensor } from '../tensor/tensor.js';
import type { EpochRecord } from './epoch-record.js';

/** A solver's own part. */
export interface SolverState {
  /** What JSON can hold: it keeps every bit of a finite number. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

export interface TrainingState extends SolverState {
  readonly epoch: number;
  /** Of the fit so far. */
  readonly seconds: number;
  readonly history: readonly EpochRecord[];
}

/** Where training keeps its state, and what it goes on from. */
export interface Checkpoint {
  readonly from?: TrainingState | undefined;
  /** Least time between two states; 0 for one each epoch or iteration. */
  readonly everySeconds: number;
  /** The tensors are only lent: they change when training goes on. */
  save(state: TrainingState): Promise<void>;
}

/**
 * What saves the states of a fit: where it is time, and where the signal ends it.
 * @param started - when the fit began, on the clock of `performance.now`; earlier by what it took before
 * @returns called where a state can be taken; `where` says it in words: "after epoch 3". Throws INTERRUPTED by the signal.
 */
export function keepStates(
  checkpoint: Checkpoint,
  {
    started,
    history,
    signal,
  }: { started: number; history: readonly EpochRecord[]; signal?: AbortSignal | undefined },
): (epoch: number, where: string, state: () => SolverState) => Promise<void> {
  let keptAt = performance.now();
  return async (epoch, where, state) => {
    const now = performance.now();
    if (now - keptAt >= 1000 * checkpoint.everySeconds || signal?.aborted) {
      await checkpoint.save({ epoch, seconds: (now - started) / 1000, history, ...state() });
      keptAt = performance.now();
    }
    if (!signal?.aborted) return;
    throw new GraftError(
      'INTERRUPTED',
      `Training was stopped ${where}, which is kept: the same command goes on from there.`,
    );
  };
}

/** A copy of it all, as a safetensors file. */
export function encodeTrainingState({ tensors, ...rest }: TrainingState): Uint8Array {
  return encodeSafetensors(tensors, { state: JSON.stringify(rest) });
}

/** @throws GraftError FILE_UNREADABLE where the file is damaged. */
export function decodeTrainingState(bytes: Uint8Array, where: string): TrainingState {
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  try {
    return { ...(JSON.parse(metadata.state ?? '') as Omit<TrainingState, 'tensors'>), tensors };
  } catch (error) {
    throw new GraftError('FILE_UNREADABLE', `${where} holds no training state: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}
