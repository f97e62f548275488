/**
 * Tar and zip archives. Labels are those of the WebDataset convention, or else the folders: members of the same name up to the first dot of its last part are one
 * sample, `0001.jpg` with `0001.cls`, `0001.txt` or `0001.json`. Images are not unpacked: an example is a part of its archive.
 */
import path from 'node:path';
import { GraftError, nameSome } from '../errors.js';
import type { Logger } from '../logger.js';
import { takeLabel } from './archive-label.js';
import { imagesOf, noteLinks, readSamplesAhead, sayLinks, type TakeMember } from './archive-samples.js';
import { ExampleCollector } from './collect-examples.js';
import type { Dataset, Split } from './dataset.js';
import type { DataOptions } from './read-dataset.js';
import { holdsImages } from './image-root.js';
import { isTable, type ShardFile } from './shard-files.js';
import { splitOfFolder } from './split-names.js';

/**
 * The label is what `.cls` holds, else the field `label` (class, category, target) of `.json`, else `.txt`; `--label-column`
 * names another extension or field, `--image-column` an image's extension where a sample has several. Archives
 * in which no sample has a label take it from the member's folder: a packed folder of class folders, perhaps under train/,
 * validation/ and test/.
 * @throws GraftError INVALID_DATASET naming the archive and the member.
 */
export async function readArchives(
  shards: readonly ShardFile[],
  root: string,
  options: DataOptions,
  logger: Logger,
): Promise<Dataset> {
  if (options.imageRoot !== undefined) throw holdsImages(root);
  const found = new ExampleCollector();
  let byFolder: boolean | undefined;
  let unlabelled = 0;
  let first = '';
  const links = { count: 0, first: '' };
  /** Names of what is no part of a sample, some of them. */
  const others: string[] = [];
  let guessed = '';
  // Whether samples have labels is told by those that are trained on: of a test part they may be kept back.
  const isTest = ({ split }: ShardFile): boolean => split === 'test';
  const ordered = [...shards.filter((shard) => !isTest(shard)), ...shards.filter(isTest)];
  const take: TakeMember = (sample, member, extension, archive) =>
    takeLabel(sample, member, extension, options, archive);
  for await (const listed of readSamplesAhead(ordered, { imageColumn: options.imageColumn, take })) {
    const { shard, samples, archives, strangers } = listed;
    if (archives > 1)
      logger.info(`${shard.path} is ${archives} archives one after the other; all of them are read.`);
    noteLinks(links, listed);
    others.push(...strangers);
    byFolder ??= samples.length === 0 ? undefined : samples.every(({ label }) => label === undefined);
    for (const { name, source, isNameGuessed, label } of imagesOf(samples, byFolder)) {
      if (byFolder && label !== undefined) {
        throw new GraftError(
          'INVALID_DATASET',
          `"${name}" of ${shard.path} has a label of its own, but no sample of the archives before it has; read them apart.`,
        );
      }
      const named = byFolder ? path.posix.basename(path.posix.dirname(name)) : label;
      if (byFolder && named?.includes('\ufffd')) {
        throw new GraftError(
          'INVALID_DATASET',
          `The folder of "${name}" of ${shard.path} has a name that is not UTF-8, of which two may look the same; rename it, or pack with names in UTF-8.`,
        );
      }
      if (byFolder && isNameGuessed && named && isOutsideAscii(named))
        guessed ||= `${named} in ${shard.path}`;
      if (!named || named === '.' || named === '..') {
        if (unlabelled++ === 0) first = `${name} of ${shard.path}`;
        continue;
      }
      const split = byFolder ? (splitOfMember(name) ?? shard.split) : shard.split;
      found.add(named, { path: `${shard.path}/${name}`, source }, split);
    }
  }
  const expected =
    options.labelColumn === undefined
      ? 'key.jpg with key.cls, key.json or key.txt'
      : `key.jpg with a label ${options.labelColumn}`;
  if (found.size === 0) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected samples such as ${expected} in ${root} but found ${unlabelled === 0 ? `no images${others.length === 0 ? '' : ` (but ${nameSome(others, 3)})`}` : `${unlabelled} images without a label`}.` +
        (others.some(isTable) ? ' Unpack it, and name the table.' : ''),
    );
  }
  sayLinks(links, logger);
  if (guessed !== '')
    logger.warn(
      `Names of folders are in no Unicode, such as ${guessed}, and are read as MS-DOS wrote them; where they look wrong, pack the archive again with names in UTF-8.`,
    );
  if (unlabelled > 0)
    logger.warn(
      `${unlabelled} ${unlabelled === 1 ? 'image without a label is' : 'images without a label are'} left out, the first one ${first}.`,
    );
  const dataset = found.finish(root, 'images', logger);
  if (!byFolder || !dataset.classes.every(splitOfFolder)) return dataset;
  throw new GraftError(
    'INVALID_DATASET',
    `The folders of ${root} that hold images, ${nameSome(dataset.classes, 3)}, stand for parts of a data set, not for classes; where a table lists the labels, unpack the archive, and name the table: --data table.csv --image-root FOLDER.`,
  );
}

function isOutsideAscii(text: string): boolean {
  return /[^\x20-\x7e]/.test(text);
}

/** The part that the folder right above the class's folder stands for: `data/train/cat/1.jpg`. Those above it may be any, as `/home/dev`. */
function splitOfMember(name: string): Split | undefined {
  return splitOfFolder(name.split('/').at(-3) ?? '');
}
