/** The names that a mistyped one may have meant: smallest edit distance first (Levenshtein), none above `within`. */
export function nearNames(
  wanted: string,
  names: Iterable<string>,
  { count = 5, within = Infinity }: { readonly count?: number; readonly within?: number } = {},
): string[] {
  const scored = [...names].map((name) => ({
    name,
    distance: editDistance(wanted.toLowerCase(), name.toLowerCase()),
  }));
  return scored
    .filter(({ distance }) => distance <= within)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, count)
    .map(({ name }) => name);
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length]!;
}
