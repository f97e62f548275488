/** What is said where features cannot be computed, and it is no example's fault. */
import { GraftError, messageOf } from '../errors.js';

/** Errors of ours as they are; others (no memory, a bug) with what can be done. */
export function computingFailure(error: unknown, what = 'Features could not be computed'): GraftError {
  if (error instanceof GraftError) return error;
  // JavaScript says a RangeError where an array is larger than what is left, or than any may be.
  const isMemory =
    error instanceof RangeError || (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
  const remedy = isMemory
    ? 'Use fewer workers (--threads) or smaller batches (--batch).'
    : 'Try again with --threads 1.';
  const reason = messageOf(error).replace(/\.$/, '');
  return new GraftError('RUNTIME_FAILURE', `${what}: ${reason}. ${remedy}`, { cause: error });
}
