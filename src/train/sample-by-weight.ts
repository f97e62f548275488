/**
 * Stands for all rows by some of them, whose weights add up to the same: rows at even steps of the running sum of weights
 * (systematic sampling), so that heavy ones are surely among them and light ones as often as they weigh.
 * @param weights - not negative, [rows]
 * @param count - most rows that are taken; of fewer, each is, with its own weight
 * @returns the rows in ascending order, and what each stands for
 */
export function sampleByWeight(
  weights: Float32Array,
  count: number,
): { rows: Uint32Array; weights: Float64Array } {
  if (weights.length <= count) {
    return { rows: Uint32Array.from(weights.keys()), weights: Float64Array.from(weights) };
  }
  const step = weights.reduce((sum, weight) => sum + weight, 0) / count;
  const rows: number[] = [];
  const taken: number[] = [];
  let passed = 0;
  let steps = 0;
  for (let row = 0; row < weights.length && steps < count; row++) {
    passed += weights[row]!;
    const before = steps;
    while (steps < count && (steps + 0.5) * step < passed) steps++;
    if (steps === before) continue;
    rows.push(row);
    taken.push((steps - before) * step);
  }
  return { rows: Uint32Array.from(rows), weights: Float64Array.from(taken) };
}
