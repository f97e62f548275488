import { freemem } from 'node:os';

/**
 * Bytes of memory that this process may still take: what the machine has to spare, and no more than what the limit of its container
 * leaves beside it. `process.availableMemory` counts files that the system keeps in memory as taken there, as if all
 * features that were just written had to stay.
 */
export function freeMemory(): number {
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.max(0, Math.min(freemem(), limit - process.memoryUsage.rss()));
}
