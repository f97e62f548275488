/**
 * What must stay together: rows of one group, and rows that are copies of each other; both relations at once, so that a
 * copy joins two groups into one.
 * @param groupOf - the group of a row; undefined where it stands alone
 * @param copies - lists of rows
 * @returns for each of `rows` the number of its unit, from 0; undefined where each stands alone
 */
export function groupRows(
  rows: readonly number[],
  groupOf: (row: number) => number | undefined,
  copies: readonly (readonly number[])[],
): Int32Array | undefined {
  const parent = new Map<number, number>(rows.map((row) => [row, row]));
  const rootOf = (row: number): number => {
    let root = row;
    while (parent.get(root) !== root) root = parent.get(root)!;
    for (let at = row; at !== root;) {
      const next = parent.get(at)!;
      parent.set(at, root);
      at = next;
    }
    return root;
  };
  const join = (a: number, b: number): void => {
    parent.set(rootOf(b), rootOf(a));
  };
  const firstOf = new Map<number, number>();
  let isJoined = false;
  for (const row of rows) {
    const group = groupOf(row);
    if (group === undefined) continue;
    isJoined = true;
    const first = firstOf.get(group);
    if (first === undefined) firstOf.set(group, row);
    else join(first, row);
  }
  for (const list of copies) {
    const known = list.filter((row) => parent.has(row));
    for (const row of known.slice(1)) {
      isJoined = true;
      join(known[0]!, row);
    }
  }
  if (!isJoined) return undefined;
  const numbers = new Map<number, number>();
  return Int32Array.from(rows, (row) => {
    const root = rootOf(row);
    if (!numbers.has(root)) numbers.set(root, numbers.size);
    return numbers.get(root)!;
  });
}
