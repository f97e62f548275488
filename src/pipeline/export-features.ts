/** `graft cache export`: the rows of a data set, or of a whole store, in a format that other tools read. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { selectKeys } from '../dataset/divide-dataset.js';
import { GraftError } from '../errors.js';
import type { FeatureTable, LabelledRows } from '../features/feature-table.js';
import { FeatureStore } from '../features/feature-store.js';
import { iterateFeatures } from '../features/iterate-features.js';
import { readDescription } from '../features/store-description.js';
import { writeFeatureFile } from '../features/write-feature-file.js';
import { writeHuggingFace } from '../features/write-huggingface.js';
import { writeNpy } from '../features/write-npy.js';
import { writeParquet } from '../features/write-parquet.js';
import { makeFolder } from '../write-durably.js';
import { featuresFolder } from './cache-folder.js';
import { type CacheOptions, type CacheReport, cacheFeatures, type Hooks } from './cache-features.js';
import { checkOptions } from './check-options.js';
import { findStore } from './maintain-cache.js';
import { spareInputs } from './spare-inputs.js';
import { rowsWithFeatures } from './split-features.js';

export type FeatureFormat = 'npy' | 'parquet' | 'huggingface' | 'safetensors';

export interface ExportFeaturesOptions extends Omit<CacheOptions, 'backbone' | 'data' | 'shard'> {
  /** Rows with paths and labels: a backbone and a data set, whose missing features are computed first. */
  readonly backbone?: string | undefined;
  readonly data?: string | undefined;
  /** Or all rows of one store, known by their sha256 only: the first digits of its key, or its folder. */
  readonly store?: string | undefined;
  readonly format: FeatureFormat;
  /** A file for parquet and safetensors, a folder for npy and huggingface. */
  readonly out: string;
}

export interface ExportFeaturesReport {
  readonly out: string;
  readonly format: FeatureFormat;
  readonly rows: number;
  readonly dim: number;
  readonly classes: readonly string[] | null;
  readonly files: readonly string[];
  readonly bytes: number;
  readonly store: string;
  /** What caching did first; null where a store was named. */
  readonly cache: CacheReport | null;
}

/** @throws GraftError USAGE where it is not clear what is meant, FILE_UNWRITABLE, INVALID_CACHE, as `cacheFeatures`. */
export async function exportFeatures(
  options: ExportFeaturesOptions,
  hooks: Hooks = {},
): Promise<ExportFeaturesReport> {
  checkOptions(options, ['out']);
  const { format } = options;
  const out = path.resolve(options.out);
  await spareInputs(out, [options.backbone, options.data]);
  await assertPlace(out, format);
  const { table, store, cache } = await chooseRows(options, hooks);
  await makeFolder(path.dirname(out));
  let files = [out];
  if (format === 'parquet') await writeParquet(out, table);
  else if (format === 'safetensors') await writeFeatureFile(out, table);
  else if (format === 'npy') files = await writeNpy(out, table);
  else files = await writeHuggingFace(out, splitTables(table, store, hooks), path.basename(out));
  let bytes = 0;
  for (const file of files) bytes += (await stat(file)).size;
  const { rows, dim, examples } = table;
  const classes = examples?.classes ?? null;
  return { out, format, rows, dim, classes, files, bytes, store: store.folder, cache };
}

/** What decides how features are made, and what they are labelled with. */
const ofExamples = [
  ...(['layer', 'pool', 'preprocess', 'tokenizer', 'maxLength'] as const),
  ...(['imageColumn', 'imageRoot', 'textColumn', 'labelColumn', 'groupColumn', 'task', 'order'] as const),
];

async function chooseRows(
  { backbone, data, store: start, ...options }: ExportFeaturesOptions,
  hooks: Hooks,
): Promise<{ table: FeatureTable; store: FeatureStore; cache: CacheReport | null }> {
  if (start !== undefined) {
    if (backbone !== undefined || data !== undefined) {
      throw new GraftError('USAGE', 'Give --store, or --backbone and --data, not both.');
    }
    const stray = ofExamples.find((name) => options[name] !== undefined);
    if (stray !== undefined)
      throw notOfStore(stray.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
    const store = await openNamed(featuresFolder(options.cache), start, hooks);
    return { table: tableOf(store, store.rowKeys(), hooks), store, cache: null };
  }
  if (backbone === undefined || data === undefined) {
    throw new GraftError(
      'USAGE',
      'Say what to export: --backbone and --data for labelled rows, or --store for all rows of one store.',
    );
  }
  const { dataset, keys, store, report } = await cacheFeatures({ ...options, backbone, data }, hooks);
  const used = rowsWithFeatures(dataset, keys);
  const { kind, classes, task, targets } = dataset;
  const examples = { kind, classes, task, targets, of: dataset.examples.choose(used) };
  return { table: tableOf(store, selectKeys(keys, used), hooks, examples), store, cache: report };
}

/** That a flag says nothing of a store that is named. */
export function notOfStore(flag: string): GraftError {
  return new GraftError(
    'USAGE',
    `--${flag} is about a backbone and a data set, but the rows of --store are there as they are; leave --${flag} out.`,
  );
}

async function openNamed(cache: string, start: string, { logger }: Hooks): Promise<FeatureStore> {
  const folder = await findStore(cache, start);
  const description = await readDescription(folder);
  if (description) return FeatureStore.open(path.dirname(folder), description, logger);
  throw new GraftError(
    'INVALID_CACHE',
    `The description of ${folder} is missing or damaged: run graft cache with its backbone once, which writes it anew.`,
  );
}

function tableOf(
  store: FeatureStore,
  keys: Uint8Array,
  { signal }: Hooks,
  examples?: LabelledRows,
): FeatureTable {
  const rows = keys.length / 32;
  return { rows, dim: store.dim, keys, examples, pieces: () => iterateFeatures(store, keys, { signal }) };
}

/** A table for each part that the data set names; what has none is for training. */
function splitTables(
  { rows, keys, examples }: FeatureTable,
  store: FeatureStore,
  hooks: Hooks,
): { name: string; table: FeatureTable }[] {
  const rowsOf = new Map<string, number[]>();
  for (let row = 0; row < rows; row++) {
    const name = examples?.of.at(row).split ?? 'train';
    const known = rowsOf.get(name);
    if (known) known.push(row);
    else rowsOf.set(name, [row]);
  }
  return [...rowsOf].map(([name, chosen]) => {
    const part = examples && { ...examples, of: examples.of.choose(chosen) };
    return { name, table: tableOf(store, selectKeys(keys, chosen), hooks, part) };
  });
}

/** A mistake in `--out` must not cost the time of caching first. */
async function assertPlace(out: string, format: FeatureFormat): Promise<void> {
  const info = await stat(out).catch(() => undefined);
  const wantsFile = format === 'parquet' || format === 'safetensors';
  if (info && info.isDirectory() === wantsFile) {
    throw new GraftError(
      'FILE_UNWRITABLE',
      `Expected --out to name a ${wantsFile ? 'file' : 'folder'} for --format ${format} but ${out} is a ${wantsFile ? 'folder' : 'file'}.`,
    );
  }
}
