/**
 * The one error type that users meet. A message says what was expected, what came, where, and what to do next.
 */

import { shortenText } from './shorten-text.js';

/** What kind of thing went wrong; stable, so that callers may branch on it. */
export type GraftErrorCode =
  | 'USAGE' // the call itself is wrong: exit status 2
  | 'INVALID_ARGUMENT'
  | 'FILE_NOT_FOUND'
  | 'FILE_UNREADABLE'
  | 'FILE_UNWRITABLE'
  | 'INVALID_MODEL'
  | 'UNSUPPORTED_MODEL'
  | 'UNKNOWN_VALUE' // a tensor or layer name that the model does not hold
  | 'NO_GRADIENT_RULE'
  | 'OUT_OF_MEMORY'
  | 'INVALID_DATASET'
  | 'INVALID_IMAGE'
  | 'INVALID_TEXT'
  | 'INVALID_TOKENIZER'
  | 'INVALID_CACHE'
  | 'INVALID_PREPROCESS'
  | 'ADDRESS_UNAVAILABLE' // a port that is taken, or a host that is none of this machine
  | 'PROVIDER_UNAVAILABLE'
  | 'RUNTIME_FAILURE'
  | 'TRAINING_FAILED'
  | 'VERIFICATION_FAILED'
  | 'INTERRUPTED';

export class GraftError extends Error {
  override readonly name = 'GraftError';
  readonly code: GraftErrorCode;

  constructor(code: GraftErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * The error for a bad argument, in the one sentence shape used everywhere.
 * @example throw invalidArgument('validation', 'a share between 0 and 1', 20)
 * // Expected a share between 0 and 1 for validation but received 20 (number).
 */
export function invalidArgument(name: string, expected: string, received: unknown): GraftError {
  return new GraftError(
    'INVALID_ARGUMENT',
    `Expected ${expected} for ${name} but received ${shown(received)} (${received === null ? 'null' : typeof received}).`,
  );
}

/** A list, a buffer or a text given by mistake may be of any length. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shortenText(value, 200));
  if (value instanceof ArrayBuffer) return `ArrayBuffer(${value.byteLength})`;
  const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
  const { length } = isList ? (value as ArrayLike<unknown>) : [];
  return length > 16 ? `${(value as object).constructor.name}(${length})` : String(value);
}

/** The system's own code of a failed call (ENOENT, ENOSPC, …), or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The first of them, and that there are more: a message is no place for a thousand names. */
export function nameSome(names: readonly string[], most = 10): string {
  return names.slice(0, most).join(', ') + (names.length > most ? `, … (${names.length} in all)` : '');
}

/** @example listNames(['a', 'b', 'c']) // 'a, b and c' */
export function listNames(names: readonly string[]): string {
  return [names.slice(0, -1).join(', '), names.at(-1)].filter(Boolean).join(' and ');
}

const writeRemedies: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free some space or choose another folder',
  EDQUOT: 'the disk quota is used up; free some space or choose another folder',
  EACCES: 'permission was denied; choose a folder you may write to',
  EPERM: 'permission was denied; choose a folder you may write to',
  EROFS: 'the file system is read-only; choose another folder',
  ENOENT:
    'no folder can be made there, or it was removed meanwhile; choose another one, or run the same command again',
  ENOTDIR: 'a part of the path is a file, not a folder; choose another path',
  EEXIST: 'something of that name is in the way; choose another path',
  EISDIR: 'the path is a folder; name a file',
  ELOOP: 'its links lead in a circle; choose another path',
};

/** Turns a failed write into the error that names the path and the remedy. */
export function unwritable(path: string, cause: unknown): GraftError {
  if (cause instanceof GraftError) return cause;
  const code = systemErrorCode(cause);
  const remedy = (code && writeRemedies[code]) || messageOf(cause);
  return new GraftError('FILE_UNWRITABLE', `Cannot write ${path}: ${remedy}.`, { cause });
}

const readRemedies: Readonly<Record<string, string>> = {
  EACCES: 'permission was denied; choose a file you may read',
  EPERM: 'permission was denied; choose a file you may read',
  EISDIR: 'it is a folder; name a file',
  ELOOP: 'its links lead in a circle; name the file itself',
  ENAMETOOLONG: 'no path may be that long; check it',
  ENOTDIR: 'a part of the path is a file, not a folder; check it',
};

/** Turns a failed read into the error that names the path and the remedy. */
export function unreadable(path: string, cause: unknown): GraftError {
  if (cause instanceof GraftError) return cause;
  if (path === '') return new GraftError('FILE_NOT_FOUND', 'Expected a path but it is empty.', { cause });
  const code = systemErrorCode(cause);
  if (code === 'ENOENT') {
    // What a name's bytes become that are no text: with it the name leads nowhere.
    const remedy = path.includes('\ufffd')
      ? 'its name holds bytes that are not UTF-8; rename it'
      : 'check the path';
    return new GraftError('FILE_NOT_FOUND', `There is no file ${path}; ${remedy}.`, { cause });
  }
  const reason = (code && readRemedies[code]) || messageOf(cause);
  return new GraftError('FILE_UNREADABLE', `Cannot read ${path}: ${reason}.`, { cause });
}

/** Whether work was stopped by Ctrl-C or a signal of the caller. */
export function isInterruption(error: unknown): boolean {
  return error instanceof GraftError && error.code === 'INTERRUPTED';
}
