/**
 * Who used a store, and what it saved them: one JSON line a run in `<cache>/usage/<store key>.jsonl`. It lies outside the
 * store, so that equal stores stay equal byte for byte. Appended without a lock: a line is one small write, and a line
 * that a crash cut short is passed over.
 */
import { appendFile, open } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder } from '../write-durably.js';

/** One run that asked a store for features. */
export interface Usage {
  /** ISO 8601. */
  readonly at: string;
  /** As the run named them. */
  readonly backbone: string;
  readonly data: string;
  readonly cached: number;
  readonly computed: number;
  readonly skipped: number;
  readonly seconds: number;
}

/** The end of the log that is read: some thousands of runs. */
const readBytes = 2 ** 20;

export function usageFile(cacheFolder: string, storeKey: string): string {
  return path.join(cacheFolder, 'usage', `${storeKey}.jsonl`);
}

/** The log is a courtesy: where it cannot be written (a read-only cache), it is not. */
export async function recordUsage(cacheFolder: string, storeKey: string, usage: Usage): Promise<void> {
  const file = usageFile(cacheFolder, storeKey);
  // A line break before the line too: it ends what a crash may have cut short.
  await makeFolder(path.dirname(file))
    .then(() => appendFile(file, `\n${JSON.stringify(usage)}\n`))
    .catch(() => {});
}

/** The latest runs, oldest first; none where nothing was recorded. */
export async function readUsage(cacheFolder: string, storeKey: string): Promise<Usage[]> {
  const file = await open(usageFile(cacheFolder, storeKey), 'r').catch(() => undefined);
  if (!file) return [];
  try {
    const { size } = await file.stat();
    const length = Math.min(size, readBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8', 0, bytesRead).split('\n').flatMap(parseUsage);
  } finally {
    await file.close();
  }
}

function parseUsage(line: string): Usage[] {
  let parsed: Partial<Record<keyof Usage, unknown>> | null;
  try {
    parsed = JSON.parse(line) as Partial<Record<keyof Usage, unknown>> | null;
  } catch {
    return [];
  }
  const isUsage =
    typeof parsed?.at === 'string' &&
    !Number.isNaN(Date.parse(parsed.at)) &&
    typeof parsed.backbone === 'string' &&
    typeof parsed.data === 'string' &&
    [parsed.cached, parsed.computed, parsed.skipped, parsed.seconds].every(
      (count) => typeof count === 'number' && Number.isFinite(count) && count >= 0,
    );
  return isUsage ? [parsed as unknown as Usage] : [];
}
