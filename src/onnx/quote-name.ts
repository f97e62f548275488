import { shortenText } from '../shorten-text.js';

/** A name from a file, for a message: in quotes, without control characters, and not longer than a line. */
export function quoteName(name: string): string {
  const short = shortenText(name, 120);
  // Escape sequences in a name would otherwise reach the terminal.
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  return `"${short.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;
}
