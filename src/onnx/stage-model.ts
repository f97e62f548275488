import { mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, unwritable } from '../errors.js';
import { stageContent, type StagedFile } from '../write-durably.js';
import type { Model } from './ir.js';
import { encodedLength, encodeModel, sideFileName, writeModel } from './write-model.js';
import { largestMessage } from './wire-format.js';

/** A model that can be tried before it stands in its place. Ends with `commit` or `discard`. */
export interface StagedModel {
  /** What a runtime opens it from: the bytes, or the path of a file with a side file. */
  readonly source: Uint8Array | string;
  /** Of both files. */
  readonly sizeBytes: number;
  /** Writes what is in memory beside its place, so that `commit` needs no more room. @throws GraftError FILE_UNWRITABLE */
  write(): Promise<void>;
  /** Puts the files in place, written before or not. @throws GraftError FILE_UNWRITABLE */
  commit(): Promise<void>;
  /** Removes what was written. Does nothing after `commit`. */
  discard(): Promise<void>;
}

/**
 * The model as it will be at `file`: in memory, or, where one file cannot hold it, on the same disk with its weights in a side file.
 * @param most - bytes that one file may have
 * @throws GraftError FILE_UNWRITABLE
 */
export async function stageModel(
  model: Model,
  file: string,
  { most = largestMessage }: { readonly most?: number } = {},
): Promise<StagedModel> {
  const sizeBytes = encodedLength(model);
  if (sizeBytes <= most) {
    const source = encodeModel(model);
    let written: StagedFile | undefined;
    const write = async (): Promise<void> => {
      written ??= await stageContent(file, source);
    };
    return {
      source,
      sizeBytes,
      write,
      async commit() {
        await write();
        await written!.commit();
      },
      discard: async () => written?.discard(),
    };
  }
  const { dir, base } = path.parse(file);
  const folder = await mkdtemp(path.join(dir, `.${base}.`)).catch((error: unknown) => {
    throw unwritable(file, error);
  });
  const discard = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const source = path.join(folder, base);
  try {
    await writeModel(model, source, { externalData: true });
  } catch (error) {
    await discard();
    // Not the name of the folder that is gone.
    throw error instanceof GraftError && error.code === 'FILE_UNWRITABLE'
      ? unwritable(file, error.cause)
      : error;
  }
  return {
    source,
    sizeBytes,
    write: async () => {},
    async commit() {
      try {
        // The model comes last, because it refers to the other.
        for (const name of [sideFileName(file), base]) {
          await rename(path.join(folder, name), path.join(dir, name));
        }
      } catch (error) {
        throw unwritable(file, error);
      } finally {
        await discard();
      }
    },
    discard,
  };
}
