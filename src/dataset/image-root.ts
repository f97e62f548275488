/**
 * Images of a table in a folder that is not the table's own: the paths were written on another machine, begin at another
 * folder, or are names without an extension, as identifiers in competitions are.
 */
import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, nameSome } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import { shortenText } from '../shorten-text.js';
import { listFiles } from '../sources/list-files.js';

export class ImageRoot {
  readonly #folder: string;
  /** Paths of all files below by their names without an extension, once they were needed. */
  #byStem: Promise<ReadonlyMap<string, readonly string[]>> | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws GraftError USAGE where there is no such folder. */
  static async open(folder: string): Promise<ImageRoot> {
    const info = await stat(folder).catch(() => undefined);
    if (info?.isDirectory()) return new ImageRoot(path.resolve(folder));
    throw new GraftError('USAGE', `Expected a folder of images for --image-root but ${folder} is none.`);
  }

  /**
   * The file of an image that a table names. A path is tried whole, then without its first folders one after the other: of
   * `/home/me/photos/cat/1.jpg` what is behind `photos` may lie here. A name without an extension is looked for at any
   * depth. Where nothing is found, the path that it should have.
   * @param place - the row, for the message
   * @throws GraftError INVALID_DATASET where several files have a name without an extension.
   */
  async find(name: string, place: string): Promise<string> {
    if (path.isAbsolute(name) && isFile(name)) return name;
    const parts = name
      .split(/[/\\]/)
      .filter((part) => part !== '' && part !== '.' && !/^[a-z]:$/i.test(part));
    for (let from = 0; from < parts.length; from++) {
      const file = path.join(this.#folder, ...parts.slice(from));
      if (isFile(file)) return file;
    }
    const whole = path.join(this.#folder, ...parts);
    if (isImagePath(name)) return whole;
    this.#byStem ??= listByStem(this.#folder);
    const called = (await this.#byStem).get(parts.at(-1) ?? '') ?? [];
    const inFolder = called.filter((file) => withoutExtension(file).endsWith(path.join(path.sep, ...parts)));
    const found = inFolder.length > 0 ? inFolder : called;
    if (found.length <= 1) return found[0] ?? whole;
    throw new GraftError(
      'INVALID_DATASET',
      `${shortenText(name, 60)} in ${place} may be any of ${nameSome(found, 3)}; name the folder of the right ones with --image-root.`,
    );
  }
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

function withoutExtension(file: string): string {
  return file.slice(0, -path.extname(file).length || undefined);
}

async function listByStem(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for await (const file of listFiles(folder)) {
    if (!isImagePath(file)) continue;
    const stem = path.basename(withoutExtension(file));
    const others = found.get(stem);
    if (others) others.push(file);
    else found.set(stem, [file]);
  }
  return found;
}

/** The error where there is nothing to look for. */
export function notForTexts(root: string): GraftError {
  return new GraftError(
    'USAGE',
    `--image-root is the folder of images, but ${root} is taken for a table of texts; name the column of the images with --image-column.`,
  );
}

/** The error where there is nothing to look for. */
export function holdsImages(root: string): GraftError {
  return new GraftError(
    'USAGE',
    `--image-root is for tables that name images, but ${root} holds the images themselves; leave it away.`,
  );
}
