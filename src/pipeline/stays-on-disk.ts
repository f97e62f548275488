/** Whether features are read as they are needed: where that is asked for, or where memory does not hold them. */
import { freeMemory } from '../free-memory.js';
import { type Logger, silentLogger } from '../logger.js';
import { formatBytes } from './format-bytes.js';

/** Share of the free memory that features may take: training standardises a copy of them. */
const memoryShare = 0.4;
/** What a typed array can hold in Node 20. */
const mostValues = 2 ** 32 - 1;

/**
 * Where `stream` says nothing, it is decided by the size of the features, with a line to the logger where they stay on disk: results are
 * the same, but training takes some three times as long.
 * @param count - numbers, float32
 * @param freeBytes - of memory
 */
export function staysOnDisk(
  { stream, knn }: { readonly stream?: boolean | undefined; readonly knn?: number | undefined },
  count: number,
  logger: Logger = silentLogger,
  freeBytes = freeMemory(),
): boolean {
  if (stream !== undefined) return stream;
  // It compares with all of them at once.
  if (knn !== undefined) return false;
  const bytes = Float32Array.BYTES_PER_ELEMENT * count;
  if (bytes <= memoryShare * freeBytes && count <= mostValues) return false;
  logger.info(
    `Features take ${formatBytes(bytes)}, and ${formatBytes(freeBytes)} of memory is free: they stay on disk (--stream). ` +
      '--no-stream takes them into memory.',
  );
  return true;
}
