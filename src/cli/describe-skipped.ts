import { showControls } from './show-controls.js';
import type { Skipped } from '../features/collect-rows.js';

/** Where a whole disk is away, as many examples are skipped as there are. */
const shown = 20;

/** A line for each example that was left out, and one that tells how many are not shown. */
export function describeSkipped(skipped: readonly Pick<Skipped, 'path' | 'reason'>[]): string[] {
  const lines = skipped
    .slice(0, shown)
    .map(({ path, reason }) => `  skipped ${showControls(path, { lineBreaks: true })}: ${reason}`);
  const left = skipped.length - lines.length;
  return left > 0 ? [...lines, `  … and ${left} more; --json lists all`] : lines;
}
