import type { Logger } from '../logger.js';
import type { ExampleKind } from './dataset.js';
import { otherTexts } from './usual-columns.js';

/**
 * Says which columns were taken for texts without being named, where a pair was or may be meant.
 * @param chosen - `contents`, the columns that are an example
 * @param columns - all of the table
 */
export function sayTexts(
  { contents, kind }: { readonly contents: readonly string[]; readonly kind: ExampleKind | undefined },
  columns: readonly string[],
  file: string,
  logger: Logger,
): void {
  const [text] = contents as readonly [string];
  if (kind === 'pairs')
    logger.info(
      `The texts ${contents.join(' and ')} of ${file} are read as pairs; --text-column ${text} reads one alone.`,
    );
  const [other] = kind === 'texts' ? otherTexts(columns, text) : [];
  if (other === undefined) return;
  const both = columns.filter((name) => name === text || name === other);
  logger.warn(
    `Of ${file}, ${text} alone is read as the text; --text-column ${both.join(',')} reads both as a pair.`,
  );
}
