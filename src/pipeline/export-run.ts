/** `graft export`: the merged file of a run, which is written when it was found right. */
import path from 'node:path';
import { GraftError } from '../errors.js';
import type { Verification } from '../export/compare-on-providers.js';
import { exportHead, exportModel } from '../export/export-model.js';
import { withHubInputs } from '../export/hub-inputs.js';
import { lowerPrecision } from '../export/lower-precision.js';
import { silentLogger } from '../logger.js';
import { toImageProcessor } from '../models/image-processor.js';
import type { ExportFormat } from '../models/export-format.js';
import type { InputSpec } from '../models/input-spec.js';
import type { ModelPrecision } from '../models/model-precision.js';
import type { Model } from '../onnx/ir.js';
import { type StagedModel, stageModel } from '../onnx/stage-model.js';
import { assertWritable } from '../write-durably.js';
import { backboneOfRun } from './backbone-of-run.js';
import type { Hooks } from './cache-features.js';
import {
  describeHub,
  fingerprint,
  type HubExport,
  hubNotes,
  readEvaluation,
  sayNotes,
} from './export-hub.js';
import { describeValue, type ValueReport } from './describe-value.js';
import { hubModelFile, openHubFolder } from './hub-folder.js';
import type { Backbone, BackboneOptions } from './prepare-backbone.js';
import { isFeatureRun, readRunFolder, type RunFolder, runFiles } from './run-folder.js';
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

export interface ExportOptions extends Omit<BackboneOptions, 'backbone'> {
  /** For a run on features that were made elsewhere: the backbone that makes them. */
  readonly backbone?: string | undefined;
  readonly run: string;
  /** A file, or of the format huggingface a folder. */
  readonly out: string;
  readonly format?: ExportFormat | undefined;
  /** What the backbone in the file computes in; default: float32, as it was trained with. */
  readonly precision?: ModelPrecision | undefined;
}

/**
 * The file, or folder, appears only after it was verified.
 * @throws GraftError INTERRUPTED, VERIFICATION_FAILED, FILE_UNWRITABLE; of the format huggingface USAGE for a head alone, UNSUPPORTED_MODEL
 *   and INVALID_PREPROCESS for what such a folder cannot say
 */
export async function exportRun(options: ExportOptions, hooks: Hooks = {}): Promise<ExportReport> {
  const run = await readRunFolder(options.run);
  const { config } = run;
  const { precision = 'float32', format = 'onnx', out } = options;
  if (options.backbone !== undefined && !isFeatureRun(config)) {
    throw new GraftError(
      'USAGE',
      `${run.folder} was trained on the backbone ${config.backbone}, which is merged; leave --backbone out.`,
    );
  }
  const file = format === 'onnx' ? path.resolve(out) : hubModelFile(out, precision);
  const kept = Object.values(runFiles).filter((name) => name !== runFiles.model);
  await spareInputs(file, [
    ...kept.map((name) => path.join(run.folder, name)),
    ...(isFeatureRun(config) ? [config.features, options.backbone] : [config.backbone]),
  ]);
  if (format === 'huggingface') return exportFolder(run, options, hooks);
  await assertWritable(file);
  const backbone = await backboneOfRun(run, options, hooks);
  const merged = backbone ? merge(run, backbone, { precision }) : headAlone(run, precision);
  const written = await writeVerified({ merged, file, run, backbone, precision }, hooks, (staged) =>
    staged.commit(),
  );
  return { model: file, ...written };
}

async function exportFolder(run: RunFolder, options: ExportOptions, hooks: Hooks): Promise<ExportReport> {
  const { precision = 'float32', out } = options;
  const backbone = await backboneOfRun(run, options, hooks);
  if (!backbone) {
    throw new GraftError(
      'USAGE',
      `${run.folder} was trained on features, and a head alone takes no images or texts, as --format huggingface wants: name the --backbone that made the features.`,
    );
  }
  const hub = withHubInputs(lowerPrecision(backbone.features, precision), backbone.input);
  const exported: HubExport = {
    name: path.basename(path.resolve(out)),
    run,
    backbone,
    input: hub.input,
    precision,
  };
  // What cannot be said is refused before the model is run.
  if (hub.input.kind === 'pixels') toImageProcessor(hub.input.preprocess);
  const origin = await fingerprint(exported);
  const folder = await openHubFolder({ out, precision, run: origin });
  try {
    const merged = merge(run, backbone, { precision, hub });
    const evaluated = await readEvaluation(run.folder);
    let files: readonly string[] = [];
    const written = await writeVerified(
      { merged, file: folder.model, run, backbone, input: hub.input, precision },
      hooks,
      async (staged, verified) => {
        const { logger = silentLogger } = hooks;
        sayNotes(hubNotes(exported), logger);
        files = await folder.commit(staged, (models) =>
          describeHub(exported, { models, origin, verified, evaluated }),
        );
      },
    );
    return { model: folder.model, ...written, folder: folder.folder, files };
  } finally {
    await folder.discard();
  }
}

/** Writes the model where it was found right. @param commit - puts it in place, with what belongs to it */
async function writeVerified(
  { merged, file, ...source }: Omit<VerifySource, 'merged'> & { merged: Model; file: string },
  hooks: Hooks,
  commit: (staged: StagedModel, verified: Verification) => Promise<void>,
): Promise<Omit<ExportReport, 'model'>> {
  await spareWeights(file, merged);
  const staged = await stageModel(merged, file);
  try {
    const verified = await verifySource({ merged: staged.source, ...source }, hooks);
    sayWhatDiffers(verified, hooks.logger);
    await commit(staged, verified);
    return {
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

/** @param hub - the backbone behind other inputs, and what these are */
function merge(
  { head }: RunFolder,
  backbone: Backbone,
  { precision, hub }: { precision: ModelPrecision; hub?: { features: Model; input: InputSpec } },
): Model {
  const { layer, pool, sha256: backboneSha256, outputName: featuresOutput } = backbone;
  const { features, input } = hub ?? {
    features: lowerPrecision(backbone.features, precision),
    input: backbone.input,
  };
  const { classes: labels, task } = head;
  const metadata = { labels, task, input, layer, pool, backboneSha256, precision };
  return exportModel({ features, featuresOutput, head, metadata, alwaysLogits: hub !== undefined });
}

function headAlone({ head, folder }: RunFolder, precision: ModelPrecision): Model {
  if (precision === 'float32') return exportHead(head);
  throw new GraftError(
    'USAGE',
    `${folder} was trained on features, and a head alone stays float32: leave --precision out, or name the --backbone that made them.`,
  );
}
