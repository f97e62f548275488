/** Long texts made short enough to be shown, and how wide they are. A character may be two units (emoji, rare ideographs): none is cut in half. */

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

/** Ideographs, kana, Hangul, full-width letters and emoji take two columns. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1faff}\u{20000}-\u{3fffd}]/u;
/** What is put over the character before it, or shows nothing, takes none. */
const none = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** Columns of a terminal that a text takes; in other type about as many times the width of a letter. */
export function columnsOf(text: string): number {
  let width = 0;
  for (const character of text) width += none.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return width;
}
