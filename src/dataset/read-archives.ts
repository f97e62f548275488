/**
 * Tar and zip archives. Labels are those of the WebDataset convention, or else the folders: members of the same name up to the first dot of its last part are one
 * sample, `0001.jpg` with `0001.cls`, `0001.txt` or `0001.json`. Images are not unpacked: an example is a part of its archive.
 */
import path from 'node:path';
import { GraftError, nameSome } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import type { Logger } from '../logger.js';
import { isHidden } from '../sources/list-files.js';
import { listTar } from '../sources/list-tar.js';
import { listZip } from '../sources/list-zip.js';
import type { Source } from '../sources/source.js';
import { labelExtensions, type Labelled, takeLabel } from './archive-label.js';
import { ExampleCollector } from './collect-examples.js';
import type { Dataset, Split } from './dataset.js';
import type { DataOptions } from './read-dataset.js';
import { holdsImages } from './image-root.js';
import { isTable, type ShardFile } from './shard-files.js';
import { splitOfFolder } from './split-names.js';

/** Archives whose headers are read at the same time: on a network disk it is the latency that counts. */
const concurrentArchives = 8;

interface SampleImage {
  readonly name: string;
  readonly source: Source;
  readonly isNameGuessed: boolean | undefined;
}

interface Sample extends Labelled {
  readonly key: string;
  /** Of several the first is meant; in class folders, where a name may hold dots, each is an example. */
  readonly images: SampleImage[];
}

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
  const linked = { count: 0, first: '' };
  /** Names of what is no part of a sample, some of them. */
  const others: string[] = [];
  let guessed = '';
  // Whether samples have labels is told by those that are trained on: of a test part they may be kept back.
  const isTest = ({ split }: ShardFile): boolean => split === 'test';
  const ordered = [...shards.filter((shard) => !isTest(shard)), ...shards.filter(isTest)];
  for await (const { shard, samples, links, archives, strangers } of readAhead(ordered, options)) {
    if (archives > 1)
      logger.info(`${shard.path} is ${archives} archives one after the other; all of them are read.`);
    if (links.length > 0 && linked.count === 0) linked.first = `${links[0]} of ${shard.path}`;
    linked.count += links.length;
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
  if (linked.count > 0) {
    logger.warn(
      `${linked.count} ${linked.count === 1 ? 'image is a link' : 'images are links'} in an archive, without content of ${linked.count === 1 ? 'its' : 'their'} own, and left out, the first one ${linked.first}; ` +
        'pack with tar --hard-dereference --dereference, or zip without -y.',
    );
  }
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

function* imagesOf(
  samples: readonly Sample[],
  byFolder: boolean | undefined,
): Generator<SampleImage & { readonly label: string | undefined }> {
  for (const { images, label } of samples)
    for (const image of byFolder ? images : images.slice(0, 1)) yield { ...image, label };
}

function isOutsideAscii(text: string): boolean {
  return /[^\x20-\x7e]/.test(text);
}

interface ListedShard extends ArchiveContent {
  readonly shard: ShardFile;
}

interface ArchiveContent {
  readonly samples: readonly Sample[];
  /** The first files that are neither images nor labels. */
  readonly strangers: readonly string[];
  /** Links that are named as images; what they lead to is not looked for. */
  readonly links: readonly string[];
  /** How many stand in the file, one after the other. */
  readonly archives: number;
}

/** The part that the folder right above the class's folder stands for: `data/train/cat/1.jpg`. Those above it may be any, as `/home/dev`. */
function splitOfMember(name: string): Split | undefined {
  return splitOfFolder(name.split('/').at(-3) ?? '');
}

/** The shards in order, some of them read while those before them are taken. */
async function* readAhead(shards: readonly ShardFile[], options: DataOptions): AsyncGenerator<ListedShard> {
  const reading: Promise<ListedShard>[] = [];
  let next = 0;
  try {
    while (next < shards.length || reading.length > 0) {
      while (next < shards.length && reading.length < concurrentArchives) {
        const shard = shards[next++]!;
        const listed = readSamples(shard, options).then((content) => ({ shard, ...content }));
        // It is told when its turn comes, and may fail before.
        listed.catch(() => {});
        reading.push(listed);
      }
      yield await reading.shift()!;
    }
  } finally {
    await Promise.allSettled(reading);
  }
}

/** Samples with an image; successive members of one key belong together. */
async function readSamples(
  { path: archive, kind }: ShardFile,
  options: DataOptions,
): Promise<ArchiveContent> {
  const { imageColumn } = options;
  const samples: Sample[] = [];
  const links: string[] = [];
  const strangers: string[] = [];
  let current: Sample | undefined;
  let last = 0;
  for await (const member of kind === 'zip' ? listZip(archive) : listTar(archive)) {
    const { name, isLink } = member;
    if (name.split('/').some((part) => part !== '.' && part !== '..' && isHidden(part))) continue;
    if (isLink) {
      if (isImagePath(name)) links.push(name);
      continue;
    }
    const base = name.lastIndexOf('/') + 1;
    const dot = name.indexOf('.', base);
    // A name of the system's own, such as macOS's "._photo.jpg", or one without an extension.
    if (dot <= base) continue;
    const key = name.slice(0, dot);
    const extension = name.slice(dot + 1).toLowerCase();
    if (current?.key !== key || member.archive !== last) {
      last = member.archive;
      if (current && current.images.length > 0) samples.push(current);
      current = { key, images: [], rank: Number.POSITIVE_INFINITY };
    }
    const isWanted = imageColumn === undefined ? isImagePath(name) : extension === imageColumn.toLowerCase();
    if (isWanted) current.images.push({ name, source: member.source, isNameGuessed: member.isNameGuessed });
    else {
      if (strangers.length < 4 && !labelExtensions.includes(extension)) strangers.push(name);
      await takeLabel(current, member, extension, options, archive);
    }
  }
  if (current && current.images.length > 0) samples.push(current);
  return { samples, links, strangers, archives: last + 1 };
}
