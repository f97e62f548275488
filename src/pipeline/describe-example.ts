import type { Dataset } from '../dataset/dataset.js';
import { shortenText } from '../shorten-text.js';
import { readSource } from '../sources/read-source.js';
import { dividePair } from '../sources/text-pair.js';
import type { RatedExample } from './evaluate-run.js';

/** Characters of a text that a report shows. */
const shownLength = 400;

/** What an example is called, and of a text its beginning. */
export async function describeExample(
  { kind, examples }: Dataset,
  row: number,
): Promise<Pick<RatedExample, 'path' | 'text'>> {
  const example = examples.at(row);
  const { path } = example;
  if (kind === 'images') return { path };
  const content = await readSource(example).catch(() => undefined);
  if (!content) return { path };
  // Of a pair the beginnings of both.
  const texts = (kind === 'pairs' && dividePair(content.bytes)) || [content.bytes];
  const shown = Math.floor(shownLength / texts.length);
  const beginnings = texts.map((bytes) =>
    shortenText(new TextDecoder().decode(bytes.subarray(0, 4 * shown)).trim(), shown),
  );
  return { path, text: beginnings.join(' | ') };
}
