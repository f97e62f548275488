import path from 'node:path';
import { GraftError } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import type { Logger } from '../logger.js';
import { listFiles, readFolderContent } from '../sources/list-files.js';
import { ExampleCollector } from './collect-examples.js';
import type { Dataset } from './dataset.js';
import { splitOfFolder } from './split-names.js';

/**
 * One folder a class, optionally under train/, validation/ (val/, valid/, dev/) and test/; images may lie deeper. Hidden
 * files are passed over, other files that are no images are counted and said. Classes and files are sorted, so that the
 * order is the same on every machine.
 * @throws GraftError INVALID_DATASET for no class folder or a class without images in any part.
 */
export async function readFolder(folder: string, logger: Logger): Promise<Dataset> {
  const root = path.resolve(folder);
  const { folders } = await readFolderContent(root);
  const parts = folders.length > 0 && folders.every(splitOfFolder) ? folders : [''];
  const found = new ExampleCollector();
  const empty = new Map<string, string>();
  let others = 0;
  for (const part of parts) {
    const split = splitOfFolder(part);
    for (const label of (await readFolderContent(path.join(root, part))).folders) {
      const classFolder = path.join(root, part, label);
      const before = found.size;
      for await (const file of listFiles(classFolder)) {
        if (isImagePath(file)) found.add(label, { path: file }, split);
        else others++;
      }
      if (found.size === before) empty.set(label, classFolder);
    }
  }
  for (const [label, classFolder] of empty) {
    if (found.hasClass(label)) continue;
    throw new GraftError(
      'INVALID_DATASET',
      `The class folder ${classFolder} holds no images; add some or remove the folder.`,
    );
  }
  if (found.size === 0) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected one folder a class in ${root} but there is no folder with images in it.`,
    );
  }
  if (others > 0)
    logger.warn(`${others} files below ${root} are no images by their extension and are passed over.`);
  return found.finish(root);
}
