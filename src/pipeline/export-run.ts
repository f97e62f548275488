/** `graft export` and `graft verify`: the merged file of a run, and the proof that it is right. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, unreadable } from '../errors.js';
import { exportModel } from '../export/export-model.js';
import { type Verification, verifyExport } from '../export/verify-export.js';
import { replaceInitializers } from '../graph/replace-initializers.js';
import type { Dimension, ValueInfo } from '../onnx/ir.js';
import { decodeModel } from '../onnx/read-model.js';
import { encodeModel } from '../onnx/write-model.js';
import { readSource } from '../sources/read-source.js';
import { makeFolder, writeDurably } from '../write-durably.js';
import type { Hooks } from './cache-features.js';
import { cacheFolder } from './cache-folder.js';
import { type Backbone, prepareBackbone } from './prepare-backbone.js';
import { type RunFolder, readRunFolder } from './run-folder.js';

export interface ExportReport {
  readonly model: string;
  readonly bytes: number;
  readonly inputs: readonly ValueReport[];
  readonly outputs: readonly ValueReport[];
  readonly labels: readonly string[];
  readonly verified: Verification;
}

export interface ValueReport {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly Dimension[];
}

/** The file appears only after it was verified. */
export async function exportRun(
  options: { run: string; out: string },
  hooks: Hooks = {},
): Promise<ExportReport> {
  const run = await readRunFolder(options.run);
  const backbone = await backboneOfRun(run, hooks);
  const { config, head } = run;
  const merged = exportModel({
    features: backbone.features,
    featuresOutput: backbone.outputName,
    head,
    metadata: {
      labels: head.classes,
      task: head.task,
      preprocess: config.preprocess,
      layer: config.layer,
      pool: config.pool,
      backboneSha256: config.backboneSha256,
    },
  });
  const bytes = encodeModel(merged);
  const verified = await verifyBytes(bytes, run, backbone);
  const file = path.resolve(options.out);
  await makeFolder(path.dirname(file));
  await writeDurably(file, bytes);
  return {
    model: file,
    bytes: bytes.length,
    inputs: merged.graph.inputs.map(describeValue),
    outputs: merged.graph.outputs.map(describeValue),
    labels: config.classes,
    verified,
  };
}

/** @throws GraftError VERIFICATION_FAILED above the tolerance. */
export async function verifyRun(
  options: { model: string; run: string },
  hooks: Hooks = {},
): Promise<Verification> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(options.model);
  } catch (error) {
    throw unreadable(options.model, error);
  }
  decodeModel(bytes, { path: options.model });
  const run = await readRunFolder(options.run);
  return verifyBytes(bytes, run, await backboneOfRun(run, hooks));
}

async function backboneOfRun({ config, folder, weights }: RunFolder, { logger }: Hooks): Promise<Backbone> {
  const backbone = await prepareBackbone(
    {
      backbone: config.backbone,
      layer: config.layer,
      pool: config.pool,
      preprocess: path.join(folder, 'config.json'),
    },
    { folder: path.join(cacheFolder(), 'backbones'), ...(logger && { logger }) },
  );
  if (backbone.sha256 !== config.backboneSha256) {
    throw new GraftError(
      'INVALID_MODEL',
      `The backbone ${config.backbone} has changed since ${folder} was trained on it; put the old file back or train again.`,
    );
  }
  if (!weights) return backbone;
  return { ...backbone, features: replaceInitializers(backbone.features, weights) };
}

async function verifyBytes(
  merged: Uint8Array,
  { config, head, folder }: RunFolder,
  backbone: Backbone,
): Promise<Verification> {
  const images: Uint8Array[] = [];
  for (const image of config.verifyImages) {
    try {
      images.push((await readSource(typeof image === 'string' ? { path: image } : image)).bytes);
    } catch {
      // The data set may have moved in part; what is left still verifies.
    }
  }
  if (images.length === 0) {
    throw new GraftError(
      'VERIFICATION_FAILED',
      `None of the ${config.verifyImages.length} images that ${folder} was trained with is there any more, so nothing can be verified; ` +
        `put the data set back at ${config.data}.`,
    );
  }
  return verifyExport({
    merged,
    features: backbone.features,
    featuresInput: backbone.inputName,
    featuresOutput: backbone.outputName,
    head,
    preprocess: config.preprocess,
    images,
  });
}

function describeValue({ name, type }: ValueInfo): ValueReport {
  if (type?.kind !== 'tensor') return { name, dtype: 'unknown', shape: [] };
  return { name, dtype: type.dtype, shape: type.shape ?? [] };
}
