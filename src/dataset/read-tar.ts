/**
 * Tar archives in the WebDataset convention: members of the same name up to the first dot of its last part are one
 * sample, `0001.jpg` with `0001.cls`, `0001.txt` or `0001.json`. Images are not unpacked: an example is a slice of its archive.
 */
import path from 'node:path';
import { GraftError, messageOf } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import type { Logger } from '../logger.js';
import { listTar, type TarMember } from '../sources/list-tar.js';
import { ExampleCollector } from './collect-examples.js';
import type { Dataset, Split } from './dataset.js';
import { isRounded, textOfJson } from './json-values.js';
import { labelText } from './label-text.js';
import type { DataOptions } from './read-dataset.js';
import { holdsImages } from './image-root.js';
import type { ShardFile } from './shard-files.js';
import { splitOfFolder } from './split-names.js';
import { labelColumns } from './usual-columns.js';

/** Archives whose headers are read at the same time: on a network disk it is the latency that counts. */
const concurrentArchives = 8;
/** A label is a word; a JSON beside a photo may hold a caption, boxes and what not. */
const longestLabel = 4096;
const longestJson = 2 ** 20;
const labelExtensions = ['cls', 'json', 'txt'];

interface Sample {
  readonly key: string;
  image?: { readonly name: string; readonly start: number; readonly length: number };
  /** Rank of the member the label is from; the lowest counts. */
  rank: number;
  label?: string;
}

/**
 * The label is what `.cls` holds, else the field `label` (class, category, target) of `.json`, else `.txt`; `--label-column`
 * names another extension or field, `--image-column` an image's extension where a sample has several. Archives
 * in which no sample has a label take it from the member's folder: a packed folder of class folders, perhaps under train/,
 * validation/ and test/.
 * @throws GraftError INVALID_DATASET naming the archive and the member.
 */
export async function readTar(
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
  // Whether samples have labels is told by those that are trained on: of a test part they may be kept back.
  const isTest = ({ split }: ShardFile): boolean => split === 'test';
  const ordered = [...shards.filter((shard) => !isTest(shard)), ...shards.filter(isTest)];
  for await (const { shard, samples, links, archives } of readAhead(ordered, options)) {
    if (archives > 1)
      logger.info(`${shard.path} is ${archives} archives one after the other; all of them are read.`);
    if (links.length > 0 && linked.count === 0) linked.first = `${links[0]} of ${shard.path}`;
    linked.count += links.length;
    byFolder ??= samples.length === 0 ? undefined : samples.every(({ label }) => label === undefined);
    for (const { image, label } of samples) {
      const { name, start, length } = image!;
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
      if (!named || named === '.') {
        if (unlabelled++ === 0) first = `${name} of ${shard.path}`;
        continue;
      }
      const source = { kind: 'slice', file: shard.path, start, length } as const;
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
      `Expected samples such as ${expected} in ${root} but found ${unlabelled === 0 ? 'no images' : `${unlabelled} images without a label`}.`,
    );
  }
  if (linked.count > 0) {
    logger.warn(
      `${linked.count} ${linked.count === 1 ? 'image is a link' : 'images are links'} in an archive, without content of ${linked.count === 1 ? 'its' : 'their'} own, and left out, the first one ${linked.first}; ` +
        'pack with --hard-dereference --dereference.',
    );
  }
  if (unlabelled > 0)
    logger.warn(
      `${unlabelled} ${unlabelled === 1 ? 'image without a label is' : 'images without a label are'} left out, the first one ${first}.`,
    );
  return found.finish(root, 'images', logger);
}

interface ListedShard extends ArchiveContent {
  readonly shard: ShardFile;
}

interface ArchiveContent {
  readonly samples: readonly Sample[];
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
        const listed = readSamples(shard.path, options).then((content) => ({ shard, ...content }));
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
async function readSamples(archive: string, options: DataOptions): Promise<ArchiveContent> {
  const { imageColumn } = options;
  const samples: Sample[] = [];
  const links: string[] = [];
  let current: Sample | undefined;
  let last = 0;
  for await (const member of listTar(archive)) {
    const { name, start, length, isLink } = member;
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
      if (current?.image) samples.push(current);
      current = { key, rank: Number.POSITIVE_INFINITY };
    }
    const isWanted = imageColumn === undefined ? isImagePath(name) : extension === imageColumn.toLowerCase();
    if (isWanted) current.image ??= { name, start, length };
    else await takeLabel(current, member, extension, options, archive);
  }
  if (current?.image) samples.push(current);
  return { samples, links, archives: last + 1 };
}

async function takeLabel(
  sample: Sample,
  member: TarMember,
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
