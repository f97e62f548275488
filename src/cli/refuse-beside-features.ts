import { GraftError } from '../errors.js';

const inPlace = ['backbone', 'data', 'unfreeze', 'layer'];
/** Of how a table of examples is read. */
const ofTables = [
  'group-column',
  'label-column',
  'image-column',
  'image-root',
  'text-column',
  'order',
  'header',
];
/** Of how examples become features. */
const ofExamples = [
  'pool',
  'preprocess',
  'tokenizer',
  'max-length',
  'backbone-batch',
  'views',
  'augment',
  'view-seed',
  'duplicates',
  'dtype',
  'rehash',
  'on-error',
];

/**
 * @param isGiven - whether a flag was given, rather than has its default
 * @param others - flags of the one command that are about making features, too
 * @throws GraftError USAGE for flags that have no meaning beside --features.
 */
export function refuseBesideFeatures(
  isGiven: (flag: string) => boolean,
  others: readonly string[] = [],
): void {
  const refuse = (flags: readonly string[], say: (flag: string) => string): void => {
    const flag = flags.find(isGiven);
    if (flag !== undefined) throw new GraftError('USAGE', say(flag));
  };
  refuse(inPlace, (flag) => `--features stands in place of --${flag}; give one of them.`);
  refuse(
    ofTables,
    (flag) =>
      `--${flag} is about a table of examples, but a file of --features holds labels, groups and the order of classes ` +
      'itself: the tensors labels and groups, the metadata classes.',
  );
  refuse(
    [...ofExamples, ...others],
    (flag) =>
      `--${flag} is about making features of examples, but --features has them; leave --${flag} away.`,
  );
}
