/** Backbones that go by name: the built-in one, and those of onnx-models/catalogue.json, which are downloaded. */
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { unreadable } from '../errors.js';
import type { Model } from '../onnx/ir.js';
import { encodeModel } from '../onnx/write-model.js';
import { downloadFile } from '../sources/download-file.js';
import { packageFolder } from '../version.js';
import { inFolder, makeFolder, writeDurably } from '../write-durably.js';
import type { FetchHooks } from './fetch-hooks.js';
import type { PreprocessSpec } from './preprocess-spec.js';
import { buildHashedNgrams } from './hashed-ngrams.js';
import { buildScattering } from './scattering.js';

export interface CatalogueEntry {
  readonly name: string;
  readonly description: string;
  readonly licence: string;
  /** Where the weights come from. */
  readonly source: string;
  /** Absent for the built-in one. */
  readonly url?: string;
  /** Of the file behind `url`. */
  readonly sha256?: string;
  readonly preprocess?: PreprocessSpec;
}

const scattering: CatalogueEntry = {
  name: 'scattering',
  description: 'wavelet scattering network of second order, 64x64 pixels; built here, nothing to download',
  licence: 'Apache-2.0',
  source: 'built-in',
};

const hashedNgrams: CatalogueEntry = {
  name: 'hashed-ngrams',
  description: 'words and runs of letters of a text, hashed to random signs; built here, nothing to download',
  licence: 'Apache-2.0',
  source: 'built-in',
};

const builders: ReadonlyMap<CatalogueEntry, () => Model> = new Map([
  [scattering, buildScattering],
  [hashedNgrams, buildHashedNgrams],
]);

/** @param file - another catalogue; default: $GRAFT_CATALOGUE, else the one of this package */
export function listCatalogue(
  file = process.env.GRAFT_CATALOGUE || path.join(packageFolder(), 'onnx-models', 'catalogue.json'),
): readonly CatalogueEntry[] {
  try {
    return [...builders.keys(), ...(JSON.parse(readFileSync(file, 'utf8')) as CatalogueEntry[])];
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** The model file of an entry, in `folder`; made or downloaded where it is not there yet. */
export async function getCatalogueModel(
  { name, licence, url, sha256, preprocess }: CatalogueEntry,
  folder: string,
  hooks: FetchHooks,
): Promise<string> {
  const build = [...builders].find(([entry]) => entry.name === name)?.[1];
  if (build) return writeBuilt(name, build(), folder);
  // The sum in the name: a file in place is the right one, also after the catalogue has changed.
  const stem = path.join(folder, `${name}-${sha256!.slice(0, 8)}`);
  const file = `${stem}.onnx`;
  if (preprocess) {
    const text = `${JSON.stringify(preprocess, null, 2)}\n`;
    await writeWhereOther(`${stem}.preprocess.json`, Buffer.from(text));
  }
  if (existsSync(file)) return file;
  await makeFolder(folder);
  hooks.logger?.info(`Fetching ${name} (${licence}) from ${url}.`);
  await downloadFile(url!, file, { ...hooks, sha256 });
  return file;
}

/** Its bytes follow from the code, so a file of another version is replaced. */
async function writeBuilt(name: string, model: Model, folder: string): Promise<string> {
  const file = path.join(folder, `${name}.onnx`);
  await writeWhereOther(file, encodeModel(model));
  return file;
}

/** The folder may be another user's, or read-only, and hold the very file already. */
async function writeWhereOther(file: string, bytes: Uint8Array): Promise<void> {
  const present = await readFile(file).catch(() => undefined);
  if (present?.equals(bytes)) return;
  await inFolder(path.dirname(file), () => writeDurably(file, bytes));
}
