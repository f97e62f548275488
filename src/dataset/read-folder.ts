import path from 'node:path';
import { GraftError, nameSome } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import type { Logger } from '../logger.js';
import { listFiles, readFolderContent } from '../sources/list-files.js';
import { ExampleCollector } from './collect-examples.js';
import type { Dataset } from './dataset.js';
import { noClassFolder, refuseMixedParts } from './explain-layout.js';
import { splitOfFolder } from './split-names.js';

/**
 * One folder a class, optionally under train/, validation/ (val/, valid/, dev/) and test/; files may lie deeper, which is
 * said where all do. They are
 * images, or where there are none of these .txt files, each a text. Hidden files are passed over, others are counted and
 * said. Classes and files are sorted, so that the order is the same on every machine.
 * @throws GraftError INVALID_DATASET for no class folder or a class without examples in any part.
 */
export async function readFolder(folder: string, logger: Logger): Promise<Dataset> {
  const root = path.resolve(folder);
  const { folders, files } = await readFolderContent(root);
  await refuseMixedParts(root, folders);
  const parts = folders.length > 0 && folders.every(splitOfFolder) ? folders : [''];
  const found = { images: new ExampleCollector(), texts: new ExampleCollector() };
  const classFolders = new Map<string, string>();
  const unlabelled = files.map((file) => path.join(root, file));
  const others = new Map<string, number>();
  const inner = new Set<string>();
  let areAllDeeper = true;
  for (const part of parts) {
    const split = splitOfFolder(part);
    const content = await readFolderContent(path.join(root, part));
    // One by one: as arguments of one call, more than some 120,000 overflow the stack.
    if (part !== '') for (const file of content.files) unlabelled.push(path.join(root, part, file));
    for (const label of content.folders) {
      const classFolder = path.join(root, part, label);
      classFolders.set(label, classFolder);
      for await (const file of listFiles(classFolder)) {
        const folderOfFile = path.dirname(file);
        if (folderOfFile === classFolder) areAllDeeper = false;
        else inner.add(folderOfFile);
        if (isImagePath(file)) found.images.add(label, { path: file }, split);
        else if (isTextPath(file)) found.texts.add(label, { path: file }, split);
        else others.set(extensionOf(file), (others.get(extensionOf(file)) ?? 0) + 1);
      }
    }
  }
  const kind = found.images.size === 0 && found.texts.size > 0 ? 'texts' : 'images';
  const chosen = found[kind];
  if (kind === 'images' && found.texts.size > 0) others.set('.txt', found.texts.size);
  if (others.size > 0) {
    const passedOver = [...others.values()].reduce((sum, count) => sum + count, 0);
    const most = [...others]
      .sort(([, a], [, b]) => b - a)
      .map(([extension, count]) => `${count} ${extension}`);
    logger.warn(
      `${passedOver} files below ${root} are no ${kind} by their extension (${nameSome(most)}) and are passed over.` +
        (others.has('.heic') || others.has('.heif') ? ' HEIC is not read; convert such photos to JPEG.' : ''),
    );
  }
  for (const [label, classFolder] of classFolders) {
    if (chosen.hasClass(label)) continue;
    throw new GraftError(
      'INVALID_DATASET',
      `The class folder ${classFolder} holds no ${kind}; add some or remove the folder.`,
    );
  }
  if (chosen.size === 0) {
    throw noClassFolder(root, files, unlabelled);
  }
  if (areAllDeeper && classFolders.size > 1) {
    logger.info(
      `Classes are the outermost folders of ${root} (${nameSome([...classFolders.keys()], 3)}); the ${inner.size} folders in them make no difference.`,
    );
  }
  const strays = unlabelled.filter(kind === 'images' ? isImagePath : isTextPath);
  if (strays.length > 0) {
    const [what, lie] = strays.length === 1 ? [kind.slice(0, -1), 'lies'] : [kind, 'lie'];
    logger.warn(
      `${strays.length} ${what} of ${root} ${lie} in no class folder and ${lie === 'lies' ? 'is' : 'are'} passed over, for instance ${strays[0]}.`,
    );
  }
  return chosen.finish(root, kind, logger);
}

const extensionOf = (file: string): string => path.extname(file).toLowerCase() || 'without';
const isTextPath = (file: string): boolean => /\.txt$/i.test(file);
