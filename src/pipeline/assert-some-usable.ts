import { GraftError } from '../errors.js';
import type { CacheReport } from './cache-features.js';

/**
 * That not all examples were left out; what else would fail of it is not what is wrong.
 * @param data - what they are of, as the user named it
 * @throws GraftError INVALID_DATASET with the first reason
 */
export function assertSomeUsable(
  { examples, skipped }: Pick<CacheReport, 'examples' | 'skipped'>,
  data: string,
): void {
  const [first] = skipped;
  if (!first || skipped.length < examples) return;
  throw new GraftError(
    'INVALID_DATASET',
    `None of the ${examples} examples of ${data} can be used, the first one, ${first.path}, as: ${first.reason}${hintOfMissing(first)}`,
  );
}

/** For a first example whose file is not there: folders list what is, so that a table named it. */
export function hintOfMissing({ path, reason }: LeftOut): string {
  if (!reason.startsWith(`There is no file ${path};`)) return '';
  return ' Tables name images by paths from their own folder; --image-root DIR names another one to look in, also for names without an extension.';
}

interface LeftOut {
  readonly path: string;
  readonly reason: string;
}
