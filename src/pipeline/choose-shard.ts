/**
 * Which part of a data set this process takes. Shards count from 1: `--shard 1/4` to `--shard 4/4`, as test runners do.
 * Without the flag, the array job of a scheduler is recognised by its variables; nothing else is shared but the store.
 */
import { GraftError } from '../errors.js';

export interface Shard {
  /** From 1 to `count`. */
  readonly index: number;
  readonly count: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws GraftError USAGE for anything but `i/n` with 1 ≤ i ≤ n. */
export function parseShard(text: string): Shard {
  const match = /^(\d{1,9})\/(\d{1,9})$/.exec(text.trim());
  const index = Number(match?.[1]);
  const count = Number(match?.[2]);
  if (match && index >= 1 && index <= count) return { index, count };
  const remedy = match && index === 0 && count > 0 ? ` Shards count from 1: --shard 1/${count}.` : '';
  throw new GraftError(
    'USAGE',
    `Expected i/n with 1 ≤ i ≤ n for --shard, such as 1/4, but received ${JSON.stringify(text)}.${remedy}`,
  );
}

/**
 * The shard of a Slurm array task (SLURM_ARRAY_TASK_ID, _COUNT, _MIN, _STEP) or of a Kubernetes indexed job
 * (JOB_COMPLETION_INDEX from 0; Kubernetes does not tell the number, so JOB_COMPLETIONS must be set in the pod).
 * @throws GraftError USAGE where the variables do not say which part is meant.
 */
export function shardOfScheduler(env: Environment): { shard: Shard; source: string } | undefined {
  if (env.SLURM_ARRAY_TASK_ID !== undefined) return { shard: slurmShard(env), source: 'SLURM_ARRAY_TASK_ID' };
  if (env.JOB_COMPLETION_INDEX !== undefined)
    return { shard: kubernetesShard(env), source: 'JOB_COMPLETION_INDEX' };
  return undefined;
}

function slurmShard(env: Environment): Shard {
  const [id, count] = [env.SLURM_ARRAY_TASK_ID, env.SLURM_ARRAY_TASK_COUNT].map(wholeNumber);
  const first = wholeNumber(env.SLURM_ARRAY_TASK_MIN ?? '0');
  const step = wholeNumber(env.SLURM_ARRAY_TASK_STEP ?? '1');
  const place = (id! - first) / step;
  if (Number.isSafeInteger(place) && place >= 0 && place < count!) return { index: place + 1, count: count! };
  throw new GraftError(
    'USAGE',
    `Task ${env.SLURM_ARRAY_TASK_ID} of a Slurm array of ${env.SLURM_ARRAY_TASK_COUNT} tasks from ` +
      `${env.SLURM_ARRAY_TASK_MIN} does not tell its part: use an evenly spaced array such as --array=0-7, or give --shard i/n.`,
  );
}

function kubernetesShard(env: Environment): Shard {
  const place = wholeNumber(env.JOB_COMPLETION_INDEX);
  const count = wholeNumber(env.JOB_COMPLETIONS);
  if (place < count) return { index: place + 1, count };
  throw new GraftError(
    'USAGE',
    `JOB_COMPLETION_INDEX is ${env.JOB_COMPLETION_INDEX} but JOB_COMPLETIONS is ${env.JOB_COMPLETIONS ?? 'not set'}: set it in the ` +
      "pod to the job's spec.completions, or give --shard i/n (--shard 1/1 for everything).",
  );
}

/** NaN, which compares false with everything, for what is no whole number. */
function wholeNumber(text: string | undefined): number {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}

/** The part of a list of `length`: contiguous, all parts within one of each other in size. */
export function shardBounds(length: number, { index, count }: Shard = { index: 1, count: 1 }) {
  // BigInt would only matter above 2^53 / count examples.
  return {
    start: Math.floor((length * (index - 1)) / count),
    end: Math.floor((length * index) / count),
  };
}
