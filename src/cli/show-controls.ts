/** Names of files and classes are anybody's: what is in them must not move the cursor, colour or turn round what is shown. */

/** C0 and C1 but for tab and line feed, and the marks that turn the direction of a line. */
// eslint-disable-next-line no-control-regex
const controls = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/**
 * The text with control characters as escapes.
 * @param options - `lineBreaks`: tabs and line breaks too
 * @example showControls('a\x1b[2Jb') // 'a\\x1b[2Jb'
 */
export function showControls(text: string, { lineBreaks = false } = {}): string {
  const shown = text.replace(controls, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, '0')}`;
  });
  return lineBreaks ? shown.replaceAll('\t', '\\t').replaceAll('\n', '\\n') : shown;
}
