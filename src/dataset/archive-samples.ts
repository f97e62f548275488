/** Samples of tar and zip archives: members of the same name up to the first dot of its last part are one. */
import type { Logger } from '../logger.js';
import { isImagePath } from '../image/image-extensions.js';
import type { ArchiveMember } from '../sources/archive-member.js';
import { isHidden } from '../sources/list-files.js';
import { listTar } from '../sources/list-tar.js';
import { listZip } from '../sources/list-zip.js';
import type { Source } from '../sources/source.js';
import { labelExtensions, type Labelled } from './archive-label.js';
import type { ShardFile } from './shard-files.js';

/** Archives whose headers are read at the same time: on a network disk it is the latency that counts. */
const concurrentArchives = 8;

export interface SampleImage {
  readonly name: string;
  readonly source: Source;
  readonly isNameGuessed: boolean | undefined;
}

interface Sample extends Labelled {
  readonly key: string;
  /** Of several the first is meant; in class folders, where a name may hold dots, each is an example. */
  readonly images: SampleImage[];
}

/** What is made of a member that is no image, perhaps the label of its sample. @param extension - all behind the first dot */
export type TakeMember = (
  sample: Labelled,
  member: ArchiveMember,
  extension: string,
  archive: string,
) => Promise<void> | void;

export interface SampleOptions {
  /** Extension of the images; default: any of images. */
  readonly imageColumn?: string | undefined;
  readonly take: TakeMember;
}

export interface ListedShard extends ArchiveContent {
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

/** The shards in order, some of them read while those before them are taken. */
export async function* readSamplesAhead(
  shards: readonly ShardFile[],
  options: SampleOptions,
): AsyncGenerator<ListedShard> {
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
  { imageColumn, take }: SampleOptions,
): Promise<ArchiveContent> {
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
      await take(current, member, extension, archive);
    }
  }
  if (current && current.images.length > 0) samples.push(current);
  return { samples, links, strangers, archives: last + 1 };
}

/** Of a sample the first image is meant; in archives that are packed folders each is an example of its own. */
export function* imagesOf(
  samples: readonly Sample[],
  byFolder: boolean | undefined,
): Generator<SampleImage & { readonly label: string | undefined }> {
  for (const { images, label } of samples)
    for (const image of byFolder ? images : images.slice(0, 1)) yield { ...image, label };
}

/** @param links - images of archives that are links, as they were met */
export function sayLinks(links: LinksMet, logger: Logger): void {
  const { count, first } = links;
  if (count === 0) return;
  logger.warn(
    `${count} ${count === 1 ? 'image is a link' : 'images are links'} in an archive, without content of ${count === 1 ? 'its' : 'their'} own, and left out, the first one ${first}; ` +
      'pack with tar --hard-dereference --dereference, or zip without -y.',
  );
}

export interface LinksMet {
  count: number;
  first: string;
}

export function noteLinks(met: LinksMet, { shard, links }: ListedShard): void {
  if (links.length > 0 && met.count === 0) met.first = `${links[0]} of ${shard.path}`;
  met.count += links.length;
}
