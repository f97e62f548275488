/** `graft verify`, and what `graft export` asks before a file is written: does the file say what backbone and head say? */
import { GraftError } from '../errors.js';
import type { Verification } from '../export/compare-on-providers.js';
import { precisionLeeway } from '../export/lower-precision.js';
import { verifyExport, verifyHead } from '../export/verify-export.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { imageRows } from '../inputs/image-rows.js';
import { openEncoder } from '../inputs/open-encoder.js';
import { type Logger, silentLogger } from '../logger.js';
import { explainBackboneName } from '../models/explain-backbone-name.js';
import { exampleDims, type InputSpec } from '../models/input-spec.js';
import { readPrecision } from '../models/model-metadata.js';
import type { ModelPrecision } from '../models/model-precision.js';
import type { Dimension, Graph } from '../onnx/ir.js';
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
  const verified = await verifySource({ merged: options.model, run, backbone, precision }, hooks);
  sayWhatDiffers(verified, hooks.logger);
  return verified;
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
  const fits = (value: ValueReport): boolean =>
    expected.some(({ name, dtype, shape }) => {
      const isSame = (dim: Dimension, axis: number): boolean =>
        axis === 0 || typeof dim !== 'number' || typeof shape[axis] !== 'number' || dim === shape[axis];
      return name === value.name && dtype === value.dtype && value.shape.every(isSame);
    });
  if (taken.length === expected.length && taken.every(fits)) return;
  const list = (values: readonly ValueReport[]): string =>
    values.map(({ name, dtype, shape }) => `${name} ${dtype} ${formatShape(shape)}`).join(', ');
  throw new GraftError(
    'VERIFICATION_FAILED',
    `${file} belongs to another run: it takes ${list(taken)}, but ${folder} takes ${list(expected)}.`,
  );
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
  /** Of the file. */
  readonly precision: ModelPrecision;
}

/** On the examples that the run kept for it, or on made-up ones. @throws GraftError as `verifyRun` */
export async function verifySource(
  { merged, run: { config, head, folder }, backbone, precision }: VerifySource,
  { signal }: Hooks,
): Promise<Verification> {
  if (!backbone) return verifyHead({ merged, head, features: madeUp([head.dim]), signal });
  const { features, outputName: featuresOutput, input } = backbone;
  const leeway =
    precision === 'float32' ? undefined : { task: head.task, meanAbsDiff: precisionLeeway[precision] };
  const made = { merged, features, featuresOutput, head, leeway, signal };
  if (isFeatureRun(config)) return verifyExport({ ...made, examples: await madeUpExamples(input) });
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
  return verifyExport({ ...made, examples: await openEncoder(input).encode(examples) });
}

/** Images of noise, or texts of numbers. */
async function madeUpExamples(input: InputSpec): Promise<EncodedExamples> {
  if (input.kind === 'pixels') {
    const [, ...dims] = exampleDims(input).get(input.name)!;
    const pixels = madeUp(dims).data as Float32Array;
    const size = sizeOf(dims);
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
