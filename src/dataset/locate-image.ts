/** Where an image lies that a row of a table names: a path, or an address. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { GraftError, messageOf } from '../errors.js';
import { shortenText } from '../shorten-text.js';
import type { Located } from '../sources/source.js';
import type { ImageRoot } from './image-root.js';

/** @throws GraftError INVALID_DATASET for one that stands for no path. */
function pathOfAddress(address: string, row: number, file: string): string {
  try {
    return fileURLToPath(address);
  } catch (error) {
    throw new GraftError(
      'INVALID_DATASET',
      `${shortenText(address, 40)} in row ${row} of ${file} stands for no path: ${messageOf(error)}.`,
    );
  }
}

/** The row that names an image. */
export interface RowPlace {
  readonly row: number;
  readonly file: string;
}

/**
 * @param place - relative paths are relative to the folder of its table
 * @throws GraftError INVALID_DATASET for an address of a kind that is not read.
 */
export function locate(image: string, { row, file }: RowPlace): Located {
  if (/^https?:\/\//i.test(image)) {
    if (/^https?:\/\/[^/?#]*@/i.test(image)) {
      // The address is not shown, as messages and reports go further than tables.
      throw new GraftError(
        'INVALID_DATASET',
        `The address of the image in row ${row} of ${file} holds a user name or password, which are not sent; fetch the images and name their paths.`,
      );
    }
    return { path: image, source: { kind: 'url', url: image } };
  }
  if (/^file:\/\/\//i.test(image)) return { path: pathOfAddress(image, row, file) };
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(image)?.[1];
  if (scheme !== undefined) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected a path or an http(s) address of an image but found ${shortenText(image, 40)} in row ${row} of ${file}: what lies at ${scheme}: addresses is not read; ` +
        'fetch the images and name their paths.',
    );
  }
  const own = below(path.dirname(file), image);
  // A table made on Windows divides folders by what is part of a name elsewhere.
  if (path.sep === '\\' || !image.includes('\\') || existsSync(own)) return { path: own };
  return { path: path.resolve(path.dirname(file), image.replaceAll('\\', '/')) };
}

/** As `path.resolve`, which takes a second for a million of them: most have no parts to be tidied. */
function below(folder: string, image: string): string {
  const isPlain = path.sep === '/' && path.isAbsolute(folder) && plainPath.test(image);
  return isPlain ? `${folder}/${image}` : path.resolve(folder, image);
}
const plainPath = /^[^/.][^/]*(?:\/[^/.][^/]*)*$/;

/**
 * The same of a folder of images in place of the table's own. @throws GraftError INVALID_DATASET as `locate` and `ImageRoot`.
 */
export async function locateBelow(root: ImageRoot, image: string, place: RowPlace): Promise<Located> {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(image)) return locate(image, place);
  return { path: await root.find(image, `row ${place.row} of ${place.file}`) };
}
