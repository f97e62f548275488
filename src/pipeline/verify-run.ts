/** `graft verify`, and what `graft export` asks before a file is written: does the file say what backbone and head say? */
import { GraftError } from '../errors.js';
import type { Verification } from '../export/compare-on-providers.js';
import { withHubInputs } from '../export/hub-inputs.js';
import { precisionLeeway } from '../export/lower-precision.js';
import { verifyExport, verifyHead } from '../export/verify-export.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { imageRows } from '../inputs/image-rows.js';
import { pixelWriter } from '../image/write-image.js';
import { openEncoder } from '../inputs/open-encoder.js';
import { type Logger, silentLogger } from '../logger.js';
import { explainBackboneName } from '../models/explain-backbone-name.js';
import { type InputSpec, takesOne, takingOne } from '../models/input-spec.js';
import { pixelShape } from '../models/pixel-shape.js';
import { readMetadata, readPrecision } from '../models/model-metadata.js';
import type { ModelPrecision } from '../models/model-precision.js';
import type { Dimension, Graph, Model } from '../onnx/ir.js';
import { readModel } from '../onnx/read-model.js';
import { createRng } from '../rng.js';
import { readSource } from '../sources/read-source.js';
import { formatShape, sizeOf } from '../tensor/shape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { backboneOfRun } from './backbone-of-run.js';
import type { Hooks } from './cache-features.js';
import { describeValue, type ValueReport } from './describe-value.js';
import type { Backbone } from './prepare-backbone.js';
import { isFeatureRun, readRunFolder, type RunFolder } from './run-folder.js';

/** @throws GraftError VERIFICATION_FAILED above the tolerance, or what the precision of the file allows. */
export async function verifyRun(
  options: { model: string; run: string },
  hooks: Hooks = {},
): Promise<Verification> {
  const model = await readModel(options.model).catch(explainBackboneName(options.model));
  const run = await readRunFolder(options.run);
  const backbone = await backboneOfRun(run, {}, hooks);
  assertSameInputs(model.graph, options.model, backbone, run);
  const precision = readPrecision(model, options.model);
  const input = inputOf(model, options.model, backbone);
  const verified = await verifySource({ merged: options.model, run, backbone, input, precision }, hooks);
  sayWhatDiffers(verified, hooks.logger);
  return verified;
}

/** What the file itself says that it takes, so that this too is found wrong where it is. */
function inputOf(model: Model, file: string, backbone: Backbone | undefined): InputSpec | undefined {
  if (!backbone || !model.metadata.has('graft.labels')) return undefined;
  const { input } = readMetadata(model, file);
  return takesOne(backbone.input) ? takingOne(input) : input;
}

/** @throws GraftError VERIFICATION_FAILED where the file takes something else than the run: no output need be compared then. */
function assertSameInputs(
  { inputs, initializers }: Graph,
  file: string,
  backbone: Backbone | undefined,
  { folder, head }: RunFolder,
): void {
  const taken = inputs.filter(({ name }) => !initializers.has(name)).map(describeValue);
  const expected = backbone
    ? backbone.features.graph.inputs.map(describeValue)
    : [{ name: 'features', dtype: 'float32', shape: ['batch', head.dim] }];
  if (areSame(taken, expected) || (backbone && areSame(taken, inputsOnHub(backbone)))) return;
  const list = (values: readonly ValueReport[]): string =>
    values.map(({ name, dtype, shape }) => `${name} ${dtype} ${formatShape(shape)}`).join(', ');
  throw new GraftError(
    'VERIFICATION_FAILED',
    `${file} belongs to another run: it takes ${list(taken)}, but ${folder} takes ${list(expected)}.`,
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

/** Of a file of `--format huggingface`; none where there is no such file of this backbone. */
function inputsOnHub({ features, input }: Backbone): ValueReport[] {
  try {
    return withHubInputs(features, input).features.graph.inputs.map(describeValue);
  } catch {
    return [];
  }
}

export function sayWhatDiffers({ providers, unable }: Verification, logger: Logger = silentLogger): void {
  for (const { name, reason } of unable)
    logger.warn(`Not verified on ${name}, which does not run the file: ${reason}`);
  for (const { name, fromCpu, rounding } of providers) {
    if (fromCpu === undefined) continue;
    const why = rounding === undefined ? 'the backbone alone differs there' : 'the head magnifies rounding';
    logger.warn(
      `On ${name} the outputs are up to ${fromCpu.toExponential(1)} from those on the CPU, because ${why}: measure the file where it will run.`,
    );
  }
}

/** Rows or images that are made up where there are no real ones. */
const madeUpCount = 16;

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
}

/** On the examples that the run kept for it, or on made-up ones. @throws GraftError as `verifyRun` */
export async function verifySource(
  { merged, run: { config, head, folder }, backbone, input: given, precision }: VerifySource,
  { signal }: Hooks,
): Promise<Verification> {
  if (!backbone) return verifyHead({ merged, head, features: madeUp([head.dim]), signal });
  const { features, outputName: featuresOutput, input } = backbone;
  const other = given && JSON.stringify(given) !== JSON.stringify(input) ? given : undefined;
  const leeway =
    precision === 'float32' ? undefined : { task: head.task, meanAbsDiff: precisionLeeway[precision] };
  const made = { merged, features, featuresOutput, head, leeway, signal };
  if (isFeatureRun(config)) {
    const taken = other && (await madeUpExamples(other));
    return verifyExport({ ...made, examples: await madeUpExamples(input), taken });
  }
  const examples: Uint8Array[] = [];
  for (const example of config.verifyImages) {
    try {
      examples.push((await readSource(typeof example === 'string' ? { path: example } : example)).bytes);
    } catch {
      // The data set may have moved in part; what is left still verifies.
    }
  }
  if (examples.length === 0) {
    throw new GraftError(
      'VERIFICATION_FAILED',
      `None of the ${config.verifyImages.length} examples that ${folder} was trained with is there any more, so nothing can be verified; ` +
        `put the data set back at ${config.data}.`,
    );
  }
  const taken = other && (await openEncoder(other).encode(examples));
  return verifyExport({ ...made, examples: await openEncoder(input).encode(examples), taken });
}

/** Images of noise, the same whatever order and place of the channels the input takes, or texts of numbers. */
async function madeUpExamples(input: InputSpec): Promise<EncodedExamples> {
  if (input.kind === 'pixels') {
    const { channels, height, width } = pixelShape(input.preprocess);
    const plane = height * width;
    const size = channels * plane;
    const noise = madeUp([channels, plane]).data as Float32Array;
    const pixels = new Float32Array(noise.length);
    for (let i = 0; i < madeUpCount; i++) {
      const { columnStride, channels: places } = pixelWriter(input.preprocess, pixels);
      for (const [c, { offset }] of places.entries())
        for (let p = 0; p < plane; p++)
          pixels[i * size + offset + p * columnStride] = noise[i * size + c * plane + p]!;
    }
    return imageRows(input, madeUpCount, (start, end) => pixels.subarray(start * size, end * size));
  }
  const texts = Array.from({ length: madeUpCount }, (_, i) => 'one two three '.repeat(i + 1));
  return openEncoder(input).encode(texts.map((text) => Buffer.from(text)));
}

/** Seeded draws from the standard normal distribution: [count, ...dims]. */
function madeUp(dims: readonly number[]): Tensor {
  const rng = createRng(1);
  const shape = [madeUpCount, ...dims];
  return float32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => rng.normal()),
  );
}
