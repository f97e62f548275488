/** Backbone and head of a run as one graph, with the inputs that were asked for. */
import { GraftError } from '../errors.js';
import { exportHead, exportModel } from '../export/export-model.js';
import { beforePixelFront, pixelValues, withHubInputs } from '../export/hub-inputs.js';
import { lowerPrecision } from '../export/lower-precision.js';
import { buildPixelFront, pixelsName, preparedName } from '../export/pixel-front.js';
import type { ExportFormat } from '../models/export-format.js';
import { type InputSpec, type PixelSpec, takingOne, withSameLengths } from '../models/input-spec.js';
import type { ModelPrecision } from '../models/model-precision.js';
import type { Model } from '../onnx/ir.js';
import type { Hooks } from './cache-features.js';
import { calibrationExamples } from './calibration-examples.js';
import type { Backbone } from './prepare-backbone.js';
import type { RunFolder } from './run-folder.js';

export interface MergeOptions {
  readonly precision: ModelPrecision;
  /** Whether the file prepares pixels itself. */
  readonly pixels: boolean;
  readonly format: ExportFormat;
}

export interface MergedRun {
  readonly merged: Model;
  /** What the file takes; what is prepared in it where it prepares pixels itself. */
  readonly input: InputSpec;
  /** Of a file that prepares pixels itself the name of its input. */
  readonly pixels: string | undefined;
}

/** @throws GraftError USAGE for pixels of texts, UNSUPPORTED_MODEL for what the precision, the front or the format cannot do */
export async function mergeRun(
  { head, folder, config }: RunFolder,
  backbone: Backbone,
  { precision, pixels, format }: MergeOptions,
  hooks: Hooks = {},
): Promise<MergedRun> {
  const { layer, pool, sha256: backboneSha256, outputName: featuresOutput } = backbone;
  const isHub = format === 'huggingface';
  const { input: own } = backbone;
  const examples = () => calibrationExamples(config, own, folder, hooks);
  const inBits = await lowerPrecision(backbone.features, precision, examples);
  const lowered = {
    features: inBits,
    // One scale for all of a run: examples would change each other's numbers.
    input: precision === 'int8-dynamic' ? takingOne(own) : withSameLengths(own, inBits.graph),
  };
  const { features, input } = isHub && !pixels ? withHubInputs(lowered.features, lowered.input) : lowered;
  if (pixels && input.kind !== 'pixels')
    throw new GraftError('USAGE', `${folder} was trained on texts; --pixels is for images.`);
  const front = pixels ? pixelFront(input as PixelSpec, isHub) : undefined;
  const { classes: labels, task } = head;
  const metadata = { labels, task, input, layer, pool, backboneSha256, precision, prepared: front?.output };
  const merged = exportModel({ features, featuresOutput, head, front, metadata, alwaysLogits: isHub });
  return { merged, input, pixels: pixels ? (isHub ? pixelValues : pixelsName) : undefined };
}

function pixelFront(input: PixelSpec, isHub: boolean) {
  const model = buildPixelFront(input);
  return { model: isHub ? beforePixelFront(model) : model, output: preparedName, input: input.name };
}

/** For a run on features of an unknown backbone. @throws GraftError USAGE */
export function mergeHeadAlone({ head, folder }: RunFolder, options: MergeOptions): MergedRun['merged'] {
  const { precision, pixels, format } = options;
  if (format === 'huggingface') {
    throw new GraftError(
      'USAGE',
      `${folder} was trained on features, and a head alone takes no images or texts, as --format huggingface wants: name the --backbone that made the features.`,
    );
  }
  if (precision === 'float32' && !pixels) return exportHead(head);
  throw new GraftError(
    'USAGE',
    `${folder} was trained on features, and a head alone takes them as they are, in float32: leave --precision and --pixels out, or name the --backbone that made them.`,
  );
}
