/** Tensors whose bytes lie in a side file. The location comes from the model file and is hostile until checked. */
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { GraftError, unreadable } from '../errors.js';
import type { ExternalContent } from './ir.js';
import { quoteName } from './quote-name.js';

interface SideFile {
  readonly path: string;
  readonly size: number;
  readonly version: string;
}

/** One read at most asks for this much: systems stop a little short of 2 GiB. */
const longestRead = 1 << 30;

/** Finds the side files of one model file; each is looked at once. */
export class ExternalData {
  readonly modelPath: string;
  readonly #files = new Map<string, SideFile>();

  constructor(modelPath: string) {
    this.modelPath = modelPath;
  }

  /**
   * Where a tensor's bytes are, after the checks: inside the model's folder (symbolic links resolved) and inside the file.
   * @param fields - the tensor's external_data
   * @param what - the tensor and the model, for messages
   * @param size - bytes that its shape and type need
   * @throws GraftError INVALID_MODEL
   */
  resolve(fields: ReadonlyMap<string, string>, what: string, size: number): ExternalContent {
    const location = fields.get('location') ?? '';
    const refuse = (reason: string): GraftError =>
      new GraftError('INVALID_MODEL', `${what} has its data in ${quoteName(location)}, ${reason}.`);
    const number = (key: string, absent: number): number => {
      const text = fields.get(key);
      if (text === undefined) return absent;
      const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
      if (!Number.isSafeInteger(value)) throw refuse(`with the impossible ${key} ${quoteName(text)}`);
      return value;
    };
    const offset = number('offset', 0);
    const length = number('length', size);
    const file = this.#files.get(location) ?? this.#find(location, refuse);
    this.#files.set(location, file);
    if (offset + length > file.size) {
      throw refuse(`bytes ${offset} to ${offset + length}, but that file has ${file.size}`);
    }
    return { kind: 'external', path: file.path, offset, length, version: file.version };
  }

  #find(location: string, refuse: (reason: string) => GraftError): SideFile {
    // Windows' separators and drives count everywhere: the same file must not be safe here and unsafe there.
    const steps = location.split(/[\\/]/);
    if (location === '' || location.includes('\0') || steps[0] === '' || /^[a-z]:/i.test(location)) {
      throw refuse('which is not a file name relative to the model');
    }
    let depth = 0;
    for (const step of steps) {
      if (step !== '' && step !== '.') depth += step === '..' ? -1 : 1;
      if (depth < 0) throw refuse("which lies outside the model's folder");
    }
    const folder = path.dirname(path.resolve(this.modelPath));
    let found: SideFile;
    try {
      const file = realpathSync(path.join(folder, location));
      const info = statSync(file, { bigint: true });
      if (!info.isFile()) throw new Error('not a file');
      found = { path: file, size: Number(info.size), version: versionOf(info) };
    } catch {
      throw refuse('which is not there; put the file beside the model');
    }
    if (!this.#homes(folder).some((home) => isInside(home, found.path))) {
      throw refuse("which lies outside the model's folder");
    }
    return found;
  }

  /** The model's folder, and that of the real file where the model is a link: download caches link both files. */
  #homes(folder: string): string[] {
    const homes = [realpathSync(folder)];
    try {
      homes.push(path.dirname(realpathSync(this.modelPath)));
    } catch {
      // The model was never a file of that name.
    }
    return homes;
  }
}

function isInside(folder: string, file: string): boolean {
  const steps = path.relative(folder, file);
  return steps !== '' && steps !== '..' && !steps.startsWith(`..${path.sep}`) && !path.isAbsolute(steps);
}

interface FileState {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

function versionOf({ dev, ino, size, mtimeNs }: FileState): string {
  return `${dev}-${ino}-${size}-${mtimeNs}`;
}

/**
 * The bytes of a tensor in pieces of at most `pieceSize`; each is valid until the next one is asked for.
 * @throws GraftError FILE_UNREADABLE, also where the file is not the one that the model was read with.
 */
export function* readExternal(content: ExternalContent, pieceSize = 1 << 20): Generator<Uint8Array> {
  const piece = Buffer.allocUnsafe(Math.min(pieceSize, content.length));
  const file = openVersion(content);
  try {
    for (let done = 0; done < content.length;) {
      const part = piece.subarray(0, Math.min(piece.length, content.length - done));
      fill(file, part, content, done);
      yield part;
      done += part.length;
    }
  } finally {
    closeSync(file);
  }
}

/** Fills `target`, as long as the content, with its bytes. @throws as `readExternal`. */
export function readExternalInto(content: ExternalContent, target: Uint8Array): void {
  const file = openVersion(content);
  try {
    fill(file, target, content, 0);
  } finally {
    closeSync(file);
  }
}

/** @throws as `readExternal`. */
export function assertUnchanged(content: ExternalContent): void {
  closeSync(openVersion(content));
}

function openVersion({ path: file, version }: ExternalContent): number {
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch (error) {
    throw unreadable(file, error);
  }
  if (versionOf(fstatSync(handle, { bigint: true })) !== version) {
    closeSync(handle);
    throw new GraftError(
      'FILE_UNREADABLE',
      `Cannot read ${file}: it has changed since the model was read; read the model again.`,
    );
  }
  return handle;
}

function fill(
  handle: number,
  target: Uint8Array,
  { path: file, offset }: ExternalContent,
  done: number,
): void {
  try {
    for (let filled = 0; filled < target.length;) {
      const length = Math.min(target.length - filled, longestRead);
      const read = readSync(handle, target, filled, length, offset + done + filled);
      if (read === 0) throw new Error('it ends too early');
      filled += read;
    }
  } catch (error) {
    throw unreadable(file, error);
  }
}
