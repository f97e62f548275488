/**
 * A model as a runtime opens it: the bytes of one file, or, where these are many, a file in a temporary folder with the weights
 * beside it. Weights that lie in side files already are linked there, not copied. The runtime maps them into its memory,
 * where bytes would be there three times: as they are handed over, as it decodes them, and as it keeps them.
 */
import { copyFile, link, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { unwritable } from '../errors.js';
import { assertUnchanged } from './external-data.js';
import { externalContents } from './external-contents.js';
import type { Initializer, Model } from './ir.js';
import { SideFile } from './side-file.js';
import { encodedLength, encodeModel, writeWithSideFile } from './write-model.js';

export interface ModelLayout {
  /** The bytes, or the path. */
  readonly source: Uint8Array | string;
  /** With the weights. */
  readonly sizeBytes: number;
  /** Removes what was written; to be called once the runtime has opened the model. */
  release(): Promise<void>;
}

export interface LayoutOptions {
  /** Above this a file is written. */
  readonly mostBytes?: number;
}

/** Half of what protobuf, and so the runtime, takes at once. */
const usualMost = 2 ** 30;
/** Smaller weights stay inside. */
const minimumBytes = 1024;

/** @throws GraftError FILE_UNWRITABLE where the temporary folder cannot take the weights. */
export async function layOutModel(
  model: Model,
  { mostBytes = usualMost }: LayoutOptions = {},
): Promise<ModelLayout> {
  const sizeBytes = encodedLength(model);
  if (sizeBytes <= mostBytes) return { source: encodeModel(model), sizeBytes, release: async () => {} };
  const folder = await mkdtemp(path.join(tmpdir(), 'graft-model-')).catch((error: unknown) => {
    throw unwritable(tmpdir(), error);
  });
  const release = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const links = await linkSideFiles(model, folder);
    const side = new SideFile('weights', minimumBytes);
    const place = (initializer: Initializer): ReadonlyMap<string, string> | undefined => {
      const { content } = initializer;
      if (content.kind !== 'external' || content.length < minimumBytes) return side.place(initializer);
      const { path: file, offset, length } = content;
      return new Map([
        ['location', links.get(file)!],
        ['offset', String(offset)],
        ['length', String(length)],
      ]);
    };
    const source = path.join(folder, 'model.onnx');
    await writeWithSideFile(model, source, side, place);
    return { source, sizeBytes, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Names, in the folder, of the side files by their paths. */
async function linkSideFiles(model: Model, folder: string): Promise<ReadonlyMap<string, string>> {
  const links = new Map<string, string>();
  for (const content of externalContents(model)) {
    if (links.has(content.path)) continue;
    assertUnchanged(content);
    const name = `side-${links.size}`;
    const target = path.join(folder, name);
    // A symbolic link would lead out of the folder, which the runtime refuses. A hard one cannot leave the disk.
    await link(content.path, target)
      .catch(() => copyFile(content.path, target))
      .catch((error: unknown) => {
        throw unwritable(target, error);
      });
    links.set(content.path, name);
  }
  return links;
}
