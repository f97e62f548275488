/**
 * Columns that a text of printable ASCII takes. `scripts/bundle.mjs` puts it in the place of string-width, on which yargs lays out
 * the help: that takes 35 ms to prepare for emoji and scripts that the help does not contain.
 */
export default function asciiWidth(text: string): number {
  return text.length;
}
