import { GraftError } from '../errors.js';

/** What says how to read a table of examples. */
interface TableArguments {
  readonly groupColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
  readonly imageColumn?: string | undefined;
  readonly textColumn?: string | undefined;
  readonly order?: unknown;
}

/**
 * @param inPlace - flags that --features stands in place of, by their names
 * @throws GraftError USAGE for flags that have no meaning beside --features.
 */
export function refuseBesideFeatures(
  { groupColumn, labelColumn, imageColumn, textColumn, order }: TableArguments,
  inPlace: Readonly<Record<string, unknown>>,
): void {
  const other = Object.entries(inPlace).find(([, given]) => given)?.[0];
  if (other !== undefined)
    throw new GraftError('USAGE', `--features stands in place of --${other}; give one of them.`);
  const columns = {
    'group-column': groupColumn,
    'label-column': labelColumn,
    'image-column': imageColumn,
    'text-column': textColumn,
    order,
  };
  const stray = Object.entries(columns).find(([, given]) => given !== undefined)?.[0];
  if (stray === undefined) return;
  throw new GraftError(
    'USAGE',
    `--${stray} is about a table of examples, but a file of --features holds labels, groups and the order of classes ` +
      'itself: the tensors labels and groups, the metadata classes.',
  );
}
