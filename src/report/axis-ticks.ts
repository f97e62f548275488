/** Round numbers for an axis. */

/** From at most `low` to at least `high`, which differ: 1, 2 or 5 times a power of ten apart. */
export function roundTicks(low: number, high: number): number[] {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough)!;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** @example formatTick(0.30000000000000004) // '0.3' */
export function formatTick(value: number): string {
  return String(Number(value.toPrecision(6)));
}
