/** `store.json`: what a store holds, for people and for whoever looks after stores. Rows do not depend on it. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  canonicalJson,
  type FeatureSource,
  featureKey,
  keyFields,
  storeFormatVersion,
} from './feature-key.js';

export const descriptionFile = 'store.json';
const format = 'graft features';

/** `dim` is the number of values in a row. */
export type StoreDescription = FeatureSource & { readonly dim: number };

/** Equal stores have equal descriptions; the checksum covers everything before it. */
export function encodeDescription(description: StoreDescription): string {
  const fields = { format, dim: description.dim, ...keyFields(description) };
  return `${JSON.stringify({ ...fields, checksum: checksumOf(fields) }, null, 2)}\n`;
}

/** Of the store in `folder`; undefined where it is missing, damaged, or that of another store. */
export async function readDescription(folder: string): Promise<StoreDescription | undefined> {
  let parsed: (StoreDescription & Record<'format' | 'formatVersion' | 'checksum', unknown>) | null;
  try {
    parsed = JSON.parse(await readFile(path.join(folder, descriptionFile), 'utf8')) as typeof parsed;
  } catch {
    return undefined;
  }
  if (parsed === null || typeof parsed !== 'object') return undefined;
  const { checksum, ...fields } = parsed;
  const isWhole =
    fields.format === format &&
    fields.formatVersion === storeFormatVersion &&
    checksum === checksumOf(fields) &&
    featureKey(fields) === path.basename(path.resolve(folder));
  return isWhole ? fields : undefined;
}

function checksumOf(fields: object): string {
  return createHash('sha256').update(canonicalJson(fields)).digest('hex');
}
