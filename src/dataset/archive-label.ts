/** The label of a sample of an archive: a file beside the image, of the same name but for its extension. */
import { GraftError, messageOf } from '../errors.js';
import type { ArchiveMember } from '../sources/archive-member.js';
import { isRounded, textOfJson } from './json-values.js';
import { labelText } from './label-text.js';
import type { DataOptions } from './read-dataset.js';
import { labelColumns } from './usual-columns.js';

/** A label is a word; a JSON beside a photo may hold a caption, boxes and what not. */
const longestLabel = 4096;
const longestJson = 2 ** 20;
export const labelExtensions = ['cls', 'json', 'txt'];

export interface Labelled {
  /** Rank of the member the label is from; the lowest counts. */
  rank: number;
  label?: string;
}

/** @throws GraftError INVALID_DATASET for what is too long, no UTF-8 or no JSON. */
export async function takeLabel(
  sample: Labelled,
  member: ArchiveMember,
  extension: string,
  options: DataOptions,
  archive: string,
): Promise<void> {
  const { labelColumn } = options;
  const isNamed = labelColumn !== undefined && extension === labelColumn.toLowerCase();
  const rank = isNamed ? -1 : labelExtensions.indexOf(extension);
  if ((rank < 0 && !isNamed) || rank >= sample.rank) return;
  if (labelColumn !== undefined && !isNamed && extension !== 'json') return;
  const label =
    extension === 'json'
      ? labelOfJson(await member.read(longestJson), options, `"${member.name}" of ${archive}`)
      : labelText(await member.read(longestLabel), `"${member.name}" of ${archive}`);
  if (label === undefined || label === '') return;
  sample.label = label;
  sample.rank = rank;
}

function labelOfJson(
  content: Uint8Array,
  { labelColumn: column, task }: DataOptions,
  place: string,
): string | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(Buffer.from(content).toString('utf8'));
  } catch (error) {
    throw new GraftError('INVALID_DATASET', `${place} is not JSON: ${messageOf(error)}.`);
  }
  // A sample's JSON may be the label itself, as `json.dumps(3)`.
  const names = column === undefined ? labelColumns : [column];
  const values =
    typeof fields === 'object' && fields !== null && !Array.isArray(fields)
      ? names.map((name) => (Object.hasOwn(fields, name) ? (fields as Record<string, unknown>)[name] : null))
      : [fields];
  const value = values.find((each) => textOfJson(each) !== undefined);
  if (task === 'regression' || !isRounded(value)) return textOfJson(value);
  throw new GraftError(
    'INVALID_DATASET',
    `The label in ${place} is a number too large to be read to its last digit; write it as a text.`,
  );
}
