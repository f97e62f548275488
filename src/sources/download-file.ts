/** Downloads a large file to disk: resumed where it broke off, checked, and in place only when it is whole. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, systemErrorCode, unwritable } from '../errors.js';
import type { OnProgress } from '../logger.js';
import { makeFolder, stageFile } from '../write-durably.js';
import { fetchPatiently, type PatienceOptions, refusal } from './fetch-patiently.js';

export interface DownloadOptions extends PatienceOptions {
  /** Of the whole file, in hex. Without it nothing tells an old half from a new file, so nothing is resumed by the next process. */
  readonly sha256?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** In bytes. */
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Puts what `url` holds at `file`. With a sum, what has come so far lies in `file.part` and outlives the process; processes that fetch
 * the same file at the same time share it.
 * @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE (also where the sha256 is another one), FILE_UNWRITABLE, INTERRUPTED.
 */
export async function downloadFile(
  url: string,
  file: string,
  { sha256, ...options }: DownloadOptions = {},
): Promise<void> {
  await makeFolder(path.dirname(file));
  if (sha256 !== undefined) return fetchPart(url, file, { sha256, ...options });
  // Under a name of its own: of a shared one, the first to finish would put the half of another in place.
  const staged = await stageFile(file);
  try {
    await receive(url, file, staged.handle, 0, options);
    await staged.commit();
  } finally {
    await staged.discard();
  }
}

async function fetchPart(
  url: string,
  file: string,
  { sha256, ...options }: DownloadOptions & { readonly sha256: string },
): Promise<void> {
  const part = `${file}.part`;
  // Positions, not appending: two processes at the same file write the same bytes to the same places.
  const handle = await open(part, 'a').then(
    async (made) => {
      await made.close();
      return open(part, 'r+');
    },
    (error: unknown) => {
      throw unwritable(file, error);
    },
  );
  try {
    await receive(url, file, handle, (await handle.stat()).size, options);
    await handle.sync();
  } catch (error) {
    if ((await handle.stat()).size === 0) await rm(part, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  try {
    await assertSum(part, sha256, url);
    await rename(part, file);
  } catch (error) {
    // Another process has checked it and put it in place.
    if (systemErrorCode(error) === 'ENOENT' && existsSync(file)) return;
    throw unwritable(file, error);
  }
}

/** Writes what `url` holds behind the bytes that the file has, or all of it where the server sends all. */
async function receive(
  url: string,
  file: string,
  handle: FileHandle,
  already: number,
  { headers, onProgress, ...patience }: Omit<DownloadOptions, 'sha256'>,
): Promise<void> {
  let have = already;
  await fetchPatiently(url, {
    ...patience,
    accepts: [416],
    headers: () => ({ ...headers, ...(have > 0 && { range: `bytes=${have}-` }) }),
    async take(response, alive) {
      const rest = restOf(response, have);
      have = rest.start;
      // The whole is there already, or what is there is longer than the whole; the sum tells.
      if (response.status === 416) return response.body?.cancel();
      for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        alive();
        await write(handle, piece, have, file);
        have += piece.length;
        onProgress?.({ done: have, total: rest.total ?? have });
      }
      if (rest.total !== undefined && have < rest.total) {
        throw new Error(`the answer ended after ${have} of ${rest.total} bytes`);
      }
      // At the end: before, another process may be writing further on.
      await handle.truncate(have);
    },
  });
}

/** Where the answer's first byte belongs, and the size of the whole file where the server tells it. */
function restOf(response: Response, have: number): { readonly start: number; readonly total?: number } {
  if (response.status === 416) return { start: have };
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  if (response.status === 206 && Number(range?.[1]) === have)
    return { start: have, total: Number(range![2]) };
  if (response.status === 206)
    throw refusal(response.url, 'the server sends another part than the one asked for');
  // A length that is told of an encoded answer is that of its encoding.
  const length = response.headers.get('content-encoding') ? null : response.headers.get('content-length');
  return length === null ? { start: 0 } : { start: 0, total: Number(length) };
}

async function write(handle: FileHandle, bytes: Uint8Array, at: number, file: string): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) {
      done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
    }
  } catch (error) {
    throw unwritable(file, error);
  }
}

async function assertSum(part: string, sha256: string, url: string): Promise<void> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(part)) hash.update(piece as Uint8Array);
  const found = hash.digest('hex');
  if (found === sha256) return;
  await rm(part, { force: true });
  throw new GraftError(
    'FILE_UNREADABLE',
    `What ${url} holds is not what was expected: sha256 ${found} instead of ${sha256}. It was removed; fetch it again, ` +
      'and if it stays so the file there has changed.',
  );
}
