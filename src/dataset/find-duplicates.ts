/** Length of a key: sha256 of an example's bytes. */
const keyBytes = 32;

/**
 * Rows whose examples have the same bytes, each list in rising order; rows without a copy are in none.
 * @param keys - sha256 of each example's bytes, [examples, 32]
 */
export function findDuplicates(keys: Uint8Array, rows: readonly number[]): number[][] {
  const bytes = Buffer.from(keys.buffer, keys.byteOffset, keys.byteLength);
  const first = new Map<string, number>();
  const lists = new Map<number, number[]>();
  for (const row of rows) {
    const key = bytes.toString('latin1', row * keyBytes, (row + 1) * keyBytes);
    const known = first.get(key);
    if (known === undefined) first.set(key, row);
    else if (lists.has(known)) lists.get(known)!.push(row);
    else lists.set(known, [known, row]);
  }
  return [...lists.values()];
}
