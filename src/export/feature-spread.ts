import { openModel } from '../runtime/open-model.js';
import type { ReferenceInput } from './reference-outputs.js';

/**
 * How far the examples' features lie apart, in units of their size: the largest max − min of a feature by the median of all
 * features' max |feature|. Below about 1e-3 the rounding of float32, some 1e-6 after a few layers, is no longer small beside it. NaN for
 * less than two examples.
 */
export async function featureSpread({
  features,
  featuresOutput,
  examples,
}: Omit<ReferenceInput, 'head'>): Promise<number> {
  if (examples.count < 2) return Number.NaN;
  const session = await openModel(features);
  try {
    const rows: Float32Array[] = [];
    for (let place = 0; place < examples.count; place++) {
      const outputs = await session.run(examples.feeds(place, place + 1));
      rows.push(outputs[featuresOutput]!.data as Float32Array);
    }
    let largest = 0;
    const sizes = rows[0]!.map((_, i) => {
      let [low, high] = [Infinity, -Infinity];
      for (const row of rows) [low, high] = [Math.min(low, row[i]!), Math.max(high, row[i]!)];
      largest = Math.max(largest, high - low);
      return Math.max(Math.abs(low), Math.abs(high));
    });
    // A feature alone may be near 0, but what it was summed up from is as large as the others.
    const middle = sizes.sort()[sizes.length >> 1]!;
    return largest / middle;
  } finally {
    await session.release();
  }
}
