/** Values of JSON as what a table holds: texts, and lists of them as JSON. */

/** undefined for what is none: null, an object, a list of lists. */
export function textOfJson(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const isList =
    Array.isArray(value) && value.every((item) => typeof item === 'string' || typeof item === 'number');
  return isList ? JSON.stringify(value) : undefined;
}

/** Numbers of JSON are doubles: two that differ may have become the same name. */
export function isRounded(value: unknown): boolean {
  // Of lists of lists, which are no values, nothing is said.
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.some((each) => typeof each === 'number' && Math.abs(each) > Number.MAX_SAFE_INTEGER);
}
