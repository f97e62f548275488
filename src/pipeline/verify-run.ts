/** `graft verify`, and what `graft export` asks before a file is written: does the file say what backbone and head say? */
import { GraftError } from '../errors.js';
import type { Verification } from '../export/compare-on-providers.js';
import { pixelValues, withHubInputs } from '../export/hub-inputs.js';
import { precisionLeeway } from '../export/lower-precision.js';
import { pixelsLeeway, pixelsName } from '../export/pixel-front.js';
import { verifyExport, verifyHead } from '../export/verify-export.js';
import { type Logger, silentLogger } from '../logger.js';
import { type InputSpec, type PixelSpec, takesOne, takingOne } from '../models/input-spec.js';
import { preparedValue, readMetadata, readPrecision } from '../models/model-metadata.js';
import type { ModelPrecision } from '../models/model-precision.js';
import { readNamed } from '../models/read-exported.js';
import type { Dimension, Model } from '../onnx/ir.js';
import type { Pool } from '../graph/pool-features.js';
import { shortenText } from '../shorten-text.js';
import { formatShape } from '../tensor/shape.js';
import { assertGoesWith, backboneOfRun, type GivenBackbone } from './backbone-of-run.js';
import type { Hooks } from './cache-features.js';
import { checkOptions } from './check-options.js';
import { describeValue, type ValueReport } from './describe-value.js';
import type { Backbone } from './prepare-backbone.js';
import { isFeatureRun, readRunFolder, type RunFolder } from './run-folder.js';
import { examplesToVerify, madeUp, pixelsToVerify } from './examples-to-verify.js';

export interface VerifyOptions extends GivenBackbone {
  readonly model: string;
  readonly run: string;
}

/** @throws GraftError USAGE, VERIFICATION_FAILED above the tolerance, or what the precision of the file allows. */
export async function verifyRun(options: VerifyOptions, hooks: Hooks = {}): Promise<Verification> {
  checkOptions(options, ['model', 'run']);
  const { path: file, model } = await readNamed(options.model);
  const run = await readRunFolder(options.run);
  assertGoesWith(run, options);
  const backbone = await backboneOfRun(run, asInFile(options, model), hooks);
  const precision = readPrecision(model, file);
  const prepares = preparedValue(model, file) !== undefined && backbone?.input.kind === 'pixels';
  const expected = prepares ? [[takenPixels], [takenPlanes]] : expectedInputs(backbone, run);
  assertSameInputs(model, file, expected, run);
  assertSameOrigin(model, file, run);
  const pixels = prepares ? model.graph.inputs[0]!.name : undefined;
  const input = prepares ? undefined : inputOf(model, file, backbone);
  const verified = await verifySource({ merged: file, run, backbone, input, precision, pixels }, hooks);
  sayWhatDiffers(verified, hooks.logger);
  return verified;
}

/** Of a run on features, which does not know its layer, the one that the file says it has, unless another is named. */
function asInFile(given: VerifyOptions, { metadata }: Model): GivenBackbone {
  if (given.backbone === undefined) return given;
  const [layer, pool] = [metadata.get('graft.layer'), metadata.get('graft.pool') as Pool | undefined];
  return { ...given, layer: given.layer ?? layer, pool: given.pool ?? pool };
}

const takenPixels: ValueReport = { name: pixelsName, dtype: 'uint8', shape: ['batch', 'height', 'width', 3] };
const takenPlanes: ValueReport = {
  name: pixelValues,
  dtype: 'float32',
  shape: ['batch', 3, 'height', 'width'],
};

/** Of the single file, and of the one in a folder of `--format huggingface` where that can be. */
function expectedInputs(backbone: Backbone | undefined, { head }: RunFolder): (readonly ValueReport[])[] {
  if (!backbone) return [[{ name: 'features', dtype: 'float32', shape: ['batch', head.dim] }]];
  const { features, input } = backbone;
  const inputsOf = ({ graph }: Model): ValueReport[] => graph.inputs.map(describeValue);
  try {
    return [inputsOf(features), inputsOf(withHubInputs(features, input).features)];
  } catch {
    return [inputsOf(features)];
  }
}

/** What the file itself says that it takes, so that this too is found wrong where it is. */
function inputOf(model: Model, file: string, backbone: Backbone | undefined): InputSpec | undefined {
  if (!backbone || !model.metadata.has('graft.labels')) return undefined;
  const { input } = readMetadata(model, file);
  return takesOne(backbone.input) ? takingOne(input) : input;
}

/** @throws GraftError VERIFICATION_FAILED where the file takes something else than the run: no output need be compared then. */
function assertSameInputs(
  { graph: { inputs, initializers }, metadata }: Model,
  file: string,
  expected: readonly (readonly ValueReport[])[],
  { folder, config }: RunFolder,
): void {
  const taken = inputs.filter(({ name }) => !initializers.has(name)).map(describeValue);
  if (expected.some((values) => areSame(taken, values))) return;
  const list = (values: readonly ValueReport[]): string =>
    values.map(({ name, dtype, shape }) => `${name} ${dtype} ${formatShape(shape)}`).join(', ');
  const isOfHead = isFeatureRun(config) && metadata.has('graft.backbone_sha256');
  throw new GraftError(
    'VERIFICATION_FAILED',
    `${file} ${isOfHead ? 'has a backbone before the head' : 'belongs to another run'}: it takes ${list(taken)}, but ${folder} takes ${list(expected[0]!)}` +
      `${isOfHead ? '; name the backbone that it was exported with by --backbone' : ''}.`,
  );
}

function areSame(taken: readonly ValueReport[], expected: readonly ValueReport[]): boolean {
  const fits = (value: ValueReport): boolean =>
    expected.some(({ name, dtype, shape }) => {
      const isSame = (dim: Dimension, axis: number): boolean =>
        axis === 0 || typeof dim !== 'number' || typeof shape[axis] !== 'number' || dim === shape[axis];
      return name === value.name && dtype === value.dtype && value.shape.every(isSame);
    });
  return taken.length === expected.length && taken.every(fits);
}

/**
 * Of a file that is meant to differ, one of another run may answer nearly the same.
 * @throws GraftError VERIFICATION_FAILED where the file says that it was made of something else
 */
function assertSameOrigin({ metadata }: Model, file: string, { config, folder, head }: RunFolder): void {
  const ofRun = new Map([
    ['graft.labels', JSON.stringify(head.classes)],
    ...(isFeatureRun(config)
      ? []
      : ([
          ['graft.backbone_sha256', config.backboneSha256],
          ['graft.layer', config.layer],
          ['graft.pool', config.pool],
        ] as const)),
  ]);
  for (const [key, expected] of ofRun) {
    const found = metadata.get(key);
    if (found === undefined || found === expected) continue;
    throw new GraftError(
      'VERIFICATION_FAILED',
      `${file} belongs to another run: its ${key} is ${shortenText(found, 80)}, but that of ${folder} is ${shortenText(expected, 80)}.`,
    );
  }
}

export function sayWhatDiffers({ providers, unable }: Verification, logger: Logger = silentLogger): void {
  for (const { name, reason } of unable)
    logger.warn(`Not verified on ${name}, which does not run the file: ${reason}`);
  for (const { name, fromCpu, rounding, agreement } of providers) {
    if (fromCpu === undefined) continue;
    const why = rounding === undefined ? 'the backbone alone differs there' : 'the head magnifies rounding';
    const kept = agreement === undefined ? '' : ` (${Math.round(100 * agreement)} % of the answers stay)`;
    logger.warn(
      `On ${name} the outputs are up to ${fromCpu.toExponential(1)} from those on the CPU${kept}, because ${why}: measure the file where it will run.`,
    );
  }
}

export interface VerifySource {
  /** The exported file's bytes, or its path. */
  readonly merged: Uint8Array | string;
  readonly run: RunFolder;
  /** In float32; undefined for a head alone. */
  readonly backbone: Backbone | undefined;
  /** What the file takes, where that is not what the backbone does. */
  readonly input?: InputSpec | undefined;
  /** Of the file. */
  readonly precision: ModelPrecision;
  /** Of a file that prepares pixels itself the name of its input. */
  readonly pixels: string | undefined;
}

/** On the examples that the run kept for it, or on made-up ones. @throws GraftError as `verifyRun` */
export async function verifySource(
  { merged, run, backbone, input: taken, precision, pixels }: VerifySource,
  { signal }: Hooks,
): Promise<Verification> {
  const { head } = run;
  if (!backbone) return verifyHead({ merged, head, features: madeUp([head.dim]), signal });
  const { features, outputName: featuresOutput, input } = backbone;
  const allowed = precision !== 'float32' ? precisionLeeway[precision] : pixels ? pixelsLeeway : undefined;
  const leeway = allowed && { task: head.task, ...allowed };
  const made = { merged, features, featuresOutput, head, leeway, signal };
  const { prepared, raw } = await (pixels !== undefined
    ? pixelsToVerify(run, input as PixelSpec, pixels)
    : examplesToVerify(run, input, taken));
  return verifyExport({ ...made, examples: prepared, taken: raw });
}
