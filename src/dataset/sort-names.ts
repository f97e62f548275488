/** Names once each, in the order of their UTF-8 bytes, which is the same on every machine. */
export function sortNames(names: Iterable<string>): string[] {
  return Array.from(new Set(names), (name) => ({ name, bytes: Buffer.from(name) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ name }) => name);
}
