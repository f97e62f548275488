import { stat } from 'node:fs/promises';
import { GraftError, invalidArgument, systemErrorCode, unreadable } from '../errors.js';
import { getCatalogueModel, listCatalogue } from './catalogue.js';
import type { FetchHooks } from './fetch-hooks.js';
import { getHubModel } from './hub-model.js';
import { modelInFolder } from './model-in-folder.js';

/**
 * The file behind what a user names: a path, also of a folder that it is the model of, a name of the catalogue or
 * `hf:owner/repo`. What is not there yet is made or downloaded into `folder`.
 * @throws GraftError FILE_NOT_FOUND telling the ways to name a backbone, FILE_UNREADABLE, and what downloading throws.
 */
export async function resolveBackbone(
  named: string,
  { folder, ...hooks }: { readonly folder: string } & FetchHooks,
): Promise<string> {
  if (typeof named !== 'string')
    throw invalidArgument(
      'backbone',
      'the path of an ONNX file, a name of the catalogue or hf:owner/repo',
      named,
    );
  if (named.startsWith('hf:')) return getHubModel(named, folder, hooks).catch(explainFolder);
  const catalogue = listCatalogue();
  const entry = catalogue.find(({ name }) => name === named);
  if (entry) return getCatalogueModel(entry, folder, hooks).catch(explainFolder);
  const info = await stat(named).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw unreadable(named, error);
  });
  // A device may be read for ever.
  if (info && !info.isFile() && !info.isDirectory())
    throw unreadable(named, new Error('it is no regular file'));
  if (info?.isDirectory()) {
    const file = await modelInFolder(named);
    hooks.logger?.info(`The model in ${named}: ${file}.`);
    return file;
  }
  if (info) return named;
  const names = catalogue.map(({ name }) => name).join(', ');
  throw new GraftError(
    'FILE_NOT_FOUND',
    `There is no backbone ${named}: expected the path of an ONNX file, a name of the catalogue (${names}) or hf:owner/repo.`,
  );
}

/** In what lies below the folder of the cache nobody would look for the flag that names it. */
function explainFolder(error: unknown): never {
  if (!(error instanceof GraftError && error.code === 'FILE_UNWRITABLE')) throw error;
  throw new GraftError(
    error.code,
    `${error.message.replace(/\.$/, '')}: backbones that go by name are kept in the folder of the cache, named by --cache DIR or $GRAFT_CACHE.`,
    { cause: error },
  );
}
