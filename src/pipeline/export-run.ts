/** `graft export`: the merged file of a run, which is written when it was found right. */
import path from 'node:path';
import { GraftError } from '../errors.js';
import type { Verification } from '../export/compare-on-providers.js';
import { exportHead, exportModel } from '../export/export-model.js';
import { lowerPrecision } from '../export/lower-precision.js';
import { buildPixelFront, preparedName } from '../export/pixel-front.js';
import type { ModelPrecision } from '../models/model-precision.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { silentLogger } from '../logger.js';
import type { Model } from '../onnx/ir.js';
import { stageModel } from '../onnx/stage-model.js';
import { assertWritable } from '../write-durably.js';
import { backboneOfRun } from './backbone-of-run.js';
import type { Hooks } from './cache-features.js';
import { calibrationExamples } from './calibration-examples.js';
import { describeValue, type ValueReport } from './describe-value.js';
import type { Backbone, BackboneOptions } from './prepare-backbone.js';
import { isFeatureRun, readRunFolder, type RunFolder, runFiles } from './run-folder.js';
import { spareInputs, spareWeights } from './spare-inputs.js';
import { sayWhatDiffers, verifySource } from './verify-run.js';

export interface ExportReport {
  readonly model: string;
  readonly bytes: number;
  readonly inputs: readonly ValueReport[];
  readonly outputs: readonly ValueReport[];
  readonly labels: readonly string[];
  readonly precision: ModelPrecision;
  readonly verified: Verification;
}

export interface ExportOptions extends Omit<BackboneOptions, 'backbone'> {
  /** For a run on features that were made elsewhere: the backbone that makes them. */
  readonly backbone?: string | undefined;
  readonly run: string;
  readonly out: string;
  /** What the backbone in the file computes in; default: float32, as it was trained with. */
  readonly precision?: ModelPrecision | undefined;
  /** The file takes uint8 [batch, height, width, 3] of any size, and prepares it itself. */
  readonly pixels?: boolean | undefined;
  /** Weights in a file of their own, FILE_data, as they always are beyond 2 GiB. */
  readonly externalData?: boolean | undefined;
}

/** The file appears only after it was verified. @throws GraftError INTERRUPTED, VERIFICATION_FAILED, FILE_UNWRITABLE, … */
export async function exportRun(options: ExportOptions, hooks: Hooks = {}): Promise<ExportReport> {
  const run = await readRunFolder(options.run);
  const { config } = run;
  const { precision = 'float32', pixels = false } = options;
  const file = path.resolve(options.out);
  if (options.backbone !== undefined && !isFeatureRun(config)) {
    throw new GraftError(
      'USAGE',
      `${run.folder} was trained on the backbone ${config.backbone}, which is merged; leave --backbone out.`,
    );
  }
  const kept = Object.values(runFiles).filter((name) => name !== runFiles.model);
  await spareInputs(file, [
    ...kept.map((name) => path.join(run.folder, name)),
    ...(isFeatureRun(config) ? [config.features, options.backbone] : [config.backbone]),
  ]);
  await assertWritable(file);
  const backbone = await backboneOfRun(run, options, hooks);
  const merged = await merge(run, backbone, { precision, pixels }, hooks);
  const limit = options.externalData ? { most: 0 } : {};
  await spareWeights(file, merged, limit);
  const staged = await stageModel(merged, file, limit);
  let verified: Verification;
  try {
    verified = await verifySource({ merged: staged.source, run, backbone, precision, pixels }, hooks);
    sayWhatDiffers(verified, hooks.logger);
    await staged.commit();
  } finally {
    await staged.discard();
  }
  return {
    model: file,
    bytes: staged.sizeBytes,
    inputs: merged.graph.inputs.map(describeValue),
    outputs: merged.graph.outputs.map(describeValue),
    labels: config.classes,
    precision,
    verified,
  };
}

async function merge(
  { head, folder, config }: RunFolder,
  backbone: Backbone | undefined,
  { precision, pixels }: { readonly precision: ModelPrecision; readonly pixels: boolean },
  { logger = silentLogger }: Hooks,
): Promise<Model> {
  if (backbone) {
    const { input, layer, pool, sha256: backboneSha256, outputName: featuresOutput } = backbone;
    const { classes: labels, task } = head;
    if (pixels && input.kind !== 'pixels')
      throw new GraftError('USAGE', `${folder} was trained on texts; --pixels is for images.`);
    const front =
      pixels && input.kind === 'pixels'
        ? { model: buildPixelFront(input), output: preparedName, input: input.name }
        : undefined;
    const examples = (): AsyncIterable<EncodedExamples> => calibrationExamples(config, input, folder, logger);
    return exportModel({
      features: await lowerPrecision(backbone.features, precision, examples),
      featuresOutput,
      head,
      front,
      metadata: { labels, task, input, layer, pool, backboneSha256, precision, prepared: front?.output },
    });
  }
  if (precision === 'float32' && !pixels) return exportHead(head);
  throw new GraftError(
    'USAGE',
    `${folder} was trained on features, and a head alone takes them as they are, in float32: leave --precision and --pixels out, or name the --backbone that made them.`,
  );
}
