/** `graft models get`: a backbone by name, fetched into the cache folder. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import type { FetchHooks } from '../models/fetch-hooks.js';
import { resolveBackbone } from '../models/resolve-backbone.js';
import { backbonesFolder } from './cache-folder.js';

export interface GetModelOptions {
  /** Name of the catalogue, or hf:owner/repo. */
  readonly name: string;
  readonly cache?: string | undefined;
}

export interface GetModelReport {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_UNWRITABLE, INTERRUPTED. */
export async function getModel(
  { name, cache }: GetModelOptions,
  hooks: FetchHooks = {},
): Promise<GetModelReport> {
  const file = await resolveBackbone(name, { ...hooks, folder: backbonesFolder(cache) });
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of createReadStream(file) as AsyncIterable<Uint8Array>) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { name, path: path.resolve(file), bytes, sha256: hash.digest('hex') };
}
