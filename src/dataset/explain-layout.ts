/** What a folder that is no data set seems to be, and what to name in its place. */
import path from 'node:path';
import { GraftError, nameSome } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import { readFolderContent } from '../sources/list-files.js';
import { isTable } from './shard-files.js';
import { splitOfFile, splitOfFolder } from './split-names.js';

/** Of competitions the images lie beside the table that lists them. */
function tableAmong(files: readonly string[]): string | undefined {
  const tables = files.filter(isTable);
  return tables.find((name) => splitOfFile(name) === 'train') ?? tables[0];
}

/**
 * For a folder in which no folder holds images.
 * @param unlabelled - paths of files that lie in no class folder
 */
export function noClassFolder(
  root: string,
  files: readonly string[],
  unlabelled: readonly string[],
): GraftError {
  const table = tableAmong(files);
  const images = unlabelled.filter(isImagePath);
  const found =
    images.length === 0
      ? 'there is no folder with images (or .txt files) in it'
      : `there is no folder with images in it: ${images.length} lie in no class folder, for instance ${images[0]}`;
  const remedy =
    table === undefined
      ? images.length === 0
        ? ''
        : '; move the images of each class into a folder, or name a table with columns image and label that lists them'
      : `; where ${table} lists the examples, name that table: --data ${path.join(root, table)}${rootOfImages(root, images)}`;
  return new GraftError('INVALID_DATASET', `Expected one folder a class in ${root} but ${found}${remedy}.`);
}

/** The folder that the images of a table are looked for in, where it is not the table's own. */
function rootOfImages(root: string, images: readonly string[]): string {
  const folders = [...new Set(images.map((image) => path.dirname(image)))].filter(
    (folder) => folder !== root,
  );
  const folder = folders.find((each) => splitOfFolder(path.basename(each)) === 'train') ?? folders[0];
  return folder === undefined
    ? ''
    : ` (and --image-root ${folder}, where it names them without their folder)`;
}

/** Behind the message that `only`, a folder of `root`, is the single class: what it holds may be what was meant. */
export async function hintOfSingleClass(root: string, only: string): Promise<string> {
  const outer = await readFolderContent(root).catch(() => undefined);
  if (!outer?.folders.includes(only)) return '';
  const inner = path.join(root, only);
  const { folders } = await readFolderContent(inner);
  const table = tableAmong(outer.files);
  const hints = [
    ...(folders.length > 1 ? [`the folders in it are meant (${nameSome(folders, 3)}): --data ${inner}`] : []),
    ...(table === undefined ? [] : [`${table} lists the examples: --data ${path.join(root, table)}`]),
  ];
  return hints.length === 0 ? '' : ` Perhaps ${hints.join('; or ')}.`;
}

/**
 * @param folders - those of `root`, of which some are called as parts are
 * @throws GraftError INVALID_DATASET where these hold folders, not images, as parts do: they are no classes, nor are the others.
 */
export async function refuseMixedParts(root: string, folders: readonly string[]): Promise<void> {
  const others = folders.filter((name) => !splitOfFolder(name));
  if (others.length === 0) return;
  const parts = folders.filter(splitOfFolder);
  // The one to be named, where there are several.
  parts.sort((a, b) => Number(splitOfFolder(b) === 'train') - Number(splitOfFolder(a) === 'train'));
  for (const name of parts) {
    const content = await readFolderContent(path.join(root, name));
    if (content.folders.length < 2 || content.files.some(isImagePath)) continue;
    throw new GraftError(
      'INVALID_DATASET',
      `${path.join(root, name)} holds ${content.folders.length} folders, as a part of a data set does, but ${nameSome(others, 3)} beside it ${others.length === 1 ? 'is no part' : 'are no parts'}; ` +
        'leave only train, validation and test there, or name the part: ' +
        `--data ${path.join(root, name)}.`,
    );
  }
}
