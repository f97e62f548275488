/**
 * A word of a command that is shown to be pasted into a shell.
 * @example quoteForShell('/my photos') // "'/my photos'"
 */
export function quoteForShell(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
