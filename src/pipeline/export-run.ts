/** `graft export`: the merged file of a run, which is written when it was found right. */
import path from 'node:path';
import type { Verification } from '../export/compare-on-providers.js';
import { warnOfHalfTranspose } from '../export/warn-of-half-transpose.js';
import type { ExportFormat } from '../models/export-format.js';
import type { ModelPrecision } from '../models/model-precision.js';
import type { Model } from '../onnx/ir.js';
import { type StagedModel, stageModel } from '../onnx/stage-model.js';
import { assertWritable } from '../write-durably.js';
import { assertGoesWith, backboneOfRun, type GivenBackbone } from './backbone-of-run.js';
import type { Hooks } from './cache-features.js';
import { checkOptions } from './check-options.js';
import {
  describeHub,
  fingerprint,
  type HubExport,
  hubNotes,
  imageProcessorOf,
  readEvaluation,
} from './export-hub.js';
import { describeValue, type ValueReport } from './describe-value.js';
import { hubModelFile, openHubFolder } from './hub-folder.js';
import { mergeHeadAlone, mergeRun } from './merge-run.js';
import { isFeatureRun, readRunFolder, runFiles } from './run-folder.js';
import { spareInputs, spareWeights } from './spare-inputs.js';
import { sayWhatDiffers, type VerifySource, verifySource } from './verify-run.js';

export interface ExportReport {
  readonly model: string;
  readonly bytes: number;
  readonly inputs: readonly ValueReport[];
  readonly outputs: readonly ValueReport[];
  readonly labels: readonly string[];
  readonly precision: ModelPrecision;
  readonly verified: Verification;
  /** Of the format huggingface. */
  readonly folder?: string;
  /** Of the same: names relative to the folder. */
  readonly files?: readonly string[];
}

export interface ExportOptions extends GivenBackbone {
  readonly run: string;
  /** A file, or of the format huggingface a folder. */
  readonly out: string;
  readonly format?: ExportFormat | undefined;
  /** What the backbone in the file computes in; default: float32, as it was trained with. */
  readonly precision?: ModelPrecision | undefined;
  /** The file takes uint8 [batch, height, width, 3] of any size, and prepares it itself. */
  readonly pixels?: boolean | undefined;
  /** Weights in a file of their own, FILE_data, as they always are beyond 2 GiB. */
  readonly externalData?: boolean | undefined;
}

/**
 * The file, or folder, appears only after it was verified.
 * @throws GraftError INTERRUPTED, VERIFICATION_FAILED, FILE_UNWRITABLE; of the format huggingface USAGE for a head alone, UNSUPPORTED_MODEL
 *   and INVALID_PREPROCESS for what such a folder cannot say
 */
export async function exportRun(options: ExportOptions, hooks: Hooks = {}): Promise<ExportReport> {
  checkOptions(options, ['run', 'out']);
  const run = await readRunFolder(options.run);
  const { config } = run;
  const { precision = 'float32', format = 'onnx', pixels = false, out } = options;
  assertGoesWith(run, options);
  const file = format === 'onnx' ? path.resolve(out) : hubModelFile(out, precision);
  const kept = Object.values(runFiles).filter((name) => name !== runFiles.model);
  await spareInputs(file, [
    ...kept.map((name) => path.join(run.folder, name)),
    ...(isFeatureRun(config) ? [config.features, options.backbone] : [config.backbone]),
  ]);
  const how = { precision, pixels, format };
  const limit = options.externalData ? { most: 0 } : {};
  if (format === 'onnx') await assertWritable(file);
  const backbone = await backboneOfRun(run, options, hooks);
  if (!backbone) {
    const made = { merged: mergeHeadAlone(run, how), pixels: undefined };
    return writeVerified({ ...made, file, limit, run, backbone, precision }, hooks, (staged) =>
      staged.commit(),
    );
  }
  const merge = async () => ({
    ...(await mergeRun(run, backbone, how, hooks)),
    ...{ file, limit, run, backbone, precision },
  });
  if (format === 'onnx') return writeVerified(await merge(), hooks, (staged) => staged.commit());
  const origin = await fingerprint(run, backbone, pixels);
  const folder = await openHubFolder({ out, precision, run: origin });
  const evaluated = await readEvaluation(run.folder, hooks.logger);
  let files: readonly string[] = [];
  try {
    const made = await merge();
    const exported: HubExport = { ...made, name: path.basename(path.resolve(out)) };
    // What cannot be said is refused before the model is run.
    imageProcessorOf(exported);
    const report = await writeVerified(made, hooks, async (staged, verified) => {
      for (const note of hubNotes(exported)) hooks.logger?.warn(note);
      files = await folder.commit(staged, (models) =>
        describeHub(exported, { models, origin, verified, evaluated }),
      );
    });
    return { ...report, folder: folder.folder, files };
  } finally {
    await folder.discard();
  }
}

interface ToWrite extends Omit<VerifySource, 'merged'> {
  readonly merged: Model;
  readonly file: string;
  /** Most bytes that one file may have. */
  readonly limit: { readonly most?: number };
}

/** Writes the model where it was found right. @param commit - puts it in place, with what belongs to it */
async function writeVerified(
  { merged, file, limit, ...source }: ToWrite,
  hooks: Hooks,
  commit: (staged: StagedModel, verified: Verification) => Promise<void>,
): Promise<ExportReport> {
  await spareWeights(file, merged, limit);
  const staged = await stageModel(merged, file, limit);
  try {
    const verified = await verifySource({ merged: staged.source, ...source }, hooks);
    sayWhatDiffers(verified, hooks.logger);
    warnOfHalfTranspose(merged.graph, hooks.logger);
    await commit(staged, verified);
    return {
      model: file,
      bytes: staged.sizeBytes,
      inputs: merged.graph.inputs.map(describeValue),
      outputs: merged.graph.outputs.map(describeValue),
      labels: source.run.config.classes,
      precision: source.precision,
      verified,
    };
  } finally {
    await staged.discard();
  }
}
