import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, unreadable } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import type { Logger } from '../logger.js';
import type { Dataset, Example, Split } from './dataset.js';

const splitNames: Readonly<Record<string, Split>> = {
  train: 'train',
  training: 'train',
  val: 'validation',
  valid: 'validation',
  validation: 'validation',
  test: 'test',
};

/**
 * One folder a class, optionally under train/, validation/ (val/) and test/. Hidden files are passed over, other files
 * that are no images are counted and said. Classes and files are sorted by their bytes, so that the order is the same
 * on every machine.
 * @throws GraftError INVALID_DATASET for no class folder or a class without images.
 */
export async function readFolder(folder: string, logger: Logger): Promise<Dataset> {
  const root = path.resolve(folder);
  const top = await subfolders(root);
  const parts = top.length > 0 && top.every((name) => splitNames[name.toLowerCase()]) ? top : undefined;
  const found: { label: string; path: string; split?: Split }[] = [];
  const classes = new Set<string>();
  let others = 0;
  for (const part of parts ?? ['']) {
    const split = splitNames[part.toLowerCase()];
    for (const label of await subfolders(path.join(root, part))) {
      const classFolder = path.join(root, part, label);
      const files = await filesBelow(classFolder, new Set());
      const images = files.filter(isImagePath);
      others += files.length - images.length;
      if (images.length === 0) {
        throw new GraftError(
          'INVALID_DATASET',
          `The class folder ${classFolder} holds no images; add some or remove the folder.`,
        );
      }
      classes.add(label);
      for (const image of images) found.push({ label, path: image, ...(split && { split }) });
    }
  }
  if (classes.size === 0) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected one folder a class in ${root} but there is no folder with images in it.`,
    );
  }
  if (others > 0)
    logger.warn(`${others} files below ${root} are no images by their extension and are passed over.`);
  const sorted = [...classes].sort(byBytes);
  const labelOf = new Map(sorted.map((label, i) => [label, i]));
  const examples = found.map(({ label, path: file, split }): Example => ({
    path: file,
    label: labelOf.get(label)!,
    ...(split && { split }),
  }));
  return { root, classes: sorted, examples };
}

async function subfolders(folder: string): Promise<string[]> {
  const names: string[] = [];
  for (const name of await visibleNames(folder)) {
    if ((await stat(path.join(folder, name)).catch(() => undefined))?.isDirectory()) names.push(name);
  }
  return names;
}

/** Files at any depth; a symbolic link back to a folder already entered is not entered again. */
async function filesBelow(folder: string, entered: Set<string>): Promise<string[]> {
  const real = await realpath(folder);
  if (entered.has(real)) return [];
  entered.add(real);
  const files: string[] = [];
  for (const name of await visibleNames(folder)) {
    const file = path.join(folder, name);
    const info = await stat(file).catch(() => undefined);
    if (info?.isDirectory()) files.push(...(await filesBelow(file, entered)));
    else files.push(file);
  }
  return files;
}

async function visibleNames(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  return names.filter((name) => !name.startsWith('.')).sort(byBytes);
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
