/** Long texts made short enough to be shown. A character may be two units (emoji, rare ideographs): none is cut in half. */

/** A value as JSON, made short enough to be shown; what lies too deep in itself to be written is said. */
export function showJson(value: unknown, length: number): string {
  try {
    return shortenText(JSON.stringify(value) ?? 'nothing', length);
  } catch {
    return 'lists or objects in one another, thousands deep';
  }
}

/** Its first `length` units, one less where that would halve a character. */
export function beginningOf(text: string, length: number): string {
  return text.slice(0, length).replace(/[\ud800-\udbff]$/, '');
}

/** Its last `length` units, one less where that would halve a character. */
export function endOf(text: string, length: number): string {
  return text.slice(-length).replace(/^[\udc00-\udfff]/, '');
}

/** The text, or of one longer than `length` its beginning and "…". @example shortenText('abcdef', 4) // 'abc…' */
export function shortenText(text: string, length: number): string {
  return text.length > length ? `${beginningOf(text, length - 1)}…` : text;
}
