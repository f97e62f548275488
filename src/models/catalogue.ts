/** Backbones by name: the built-in one, and files. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { GraftError } from '../errors.js';
import { writeModel } from '../onnx/write-model.js';
import { makeFolder } from '../write-durably.js';
import { buildScattering } from './scattering.js';

export interface CatalogueEntry {
  readonly name: string;
  readonly description: string;
  readonly licence: string;
}

const entries: readonly CatalogueEntry[] = [
  {
    name: 'scattering',
    description: 'wavelet scattering network of second order, 64x64 pixels; built here, nothing to download',
    licence: 'Apache-2.0',
  },
];

export async function listCatalogue(): Promise<readonly CatalogueEntry[]> {
  return entries;
}

/**
 * The file behind what a user names: a path, or the name of a catalogue entry, which is written into `folder`.
 * @throws GraftError FILE_NOT_FOUND telling the ways to name a backbone.
 */
export async function resolveBackbone(
  named: string,
  { folder }: { folder: string },
): Promise<{ path: string }> {
  if (named === 'scattering') return { path: await writeScattering(folder) };
  if (existsSync(named)) return { path: named };
  throw new GraftError(
    'FILE_NOT_FOUND',
    `There is no backbone ${named}: expected the path of an ONNX file or a name of the catalogue (${entries
      .map(({ name }) => name)
      .join(', ')}).`,
  );
}

/** Written once; its bytes follow from the code, so a file of another version is replaced. */
async function writeScattering(folder: string): Promise<string> {
  const file = path.join(folder, 'scattering.onnx');
  await makeFolder(folder);
  await writeModel(buildScattering(), file);
  return file;
}
