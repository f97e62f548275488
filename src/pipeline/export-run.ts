/** `graft export` and `graft verify`: the merged file of a run, and the proof that it is right. */
import path from 'node:path';
import { GraftError } from '../errors.js';
import { exportHead, exportModel } from '../export/export-model.js';
import { type Verification, verifyExport, verifyHead } from '../export/verify-export.js';
import type { Pool } from '../graph/pool-features.js';
import { liftConstants } from '../graph/lift-constants.js';
import { replaceInitializers } from '../graph/replace-initializers.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { imageRows } from '../inputs/image-rows.js';
import { openEncoder } from '../inputs/open-encoder.js';
import { type Logger, silentLogger } from '../logger.js';
import { exampleDims, type InputSpec } from '../models/input-spec.js';
import type { Dimension, Graph, ValueInfo } from '../onnx/ir.js';
import { explainBackboneName } from '../models/explain-backbone-name.js';
import { readModel } from '../onnx/read-model.js';
import { stageModel } from '../onnx/stage-model.js';
import { createRng } from '../rng.js';
import { formatShape, sizeOf } from '../tensor/shape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { readSource } from '../sources/read-source.js';
import { assertWritable } from '../write-durably.js';
import type { Hooks } from './cache-features.js';
import { backbonesFolder } from './cache-folder.js';
import { type Backbone, prepareBackbone } from './prepare-backbone.js';
import { inputOfRun, isFeatureRun, readRunFolder, type RunFolder, runFiles } from './run-folder.js';
import { spareInputs, spareWeights } from './spare-inputs.js';

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

export interface ExportOptions {
  readonly run: string;
  readonly out: string;
  /** For a run on features that were made elsewhere: the backbone that makes them. */
  readonly backbone?: string | undefined;
  readonly layer?: string | undefined;
  readonly pool?: Pool | undefined;
  readonly preprocess?: string | undefined;
  readonly tokenizer?: string | undefined;
  readonly maxLength?: number | undefined;
}

/** The file appears only after it was verified. @throws GraftError INTERRUPTED, VERIFICATION_FAILED, FILE_UNWRITABLE, … */
export async function exportRun(options: ExportOptions, hooks: Hooks = {}): Promise<ExportReport> {
  const run = await readRunFolder(options.run);
  const { head, config } = run;
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
  const merged = backbone
    ? exportModel({
        features: backbone.features,
        featuresOutput: backbone.outputName,
        head,
        metadata: {
          labels: head.classes,
          task: head.task,
          input: backbone.input,
          layer: backbone.layer,
          pool: backbone.pool,
          backboneSha256: backbone.sha256,
        },
      })
    : exportHead(head);
  await spareWeights(file, merged);
  const staged = await stageModel(merged, file);
  let verified: Verification;
  try {
    verified = await verifySource(staged.source, run, backbone, hooks);
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
    verified,
  };
}

/** @throws GraftError VERIFICATION_FAILED above the tolerance. */
export async function verifyRun(
  options: { model: string; run: string },
  hooks: Hooks = {},
): Promise<Verification> {
  const model = await readModel(options.model).catch(explainBackboneName(options.model));
  const run = await readRunFolder(options.run);
  const backbone = await backboneOfRun(run, {}, hooks);
  assertSameInputs(model.graph, options.model, backbone, run);
  const verified = await verifySource(options.model, run, backbone, hooks);
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

function sayWhatDiffers({ providers, unable }: Verification, logger: Logger = silentLogger): void {
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

/** Undefined for a head alone. */
async function backboneOfRun(
  { config, folder, weights, head }: RunFolder,
  given: Partial<ExportOptions>,
  { logger }: Hooks,
): Promise<Backbone | undefined> {
  const context = { folder: backbonesFolder(), ...(logger && { logger }) };
  if (isFeatureRun(config)) {
    if (given.backbone === undefined) return undefined;
    const { backbone: file, layer, pool, preprocess, tokenizer, maxLength } = given;
    const named = { backbone: file, layer, pool, preprocess, tokenizer, maxLength };
    const backbone = await prepareBackbone(named, context);
    if (backbone.dim === head.dim) return backbone;
    throw new GraftError(
      'INVALID_ARGUMENT',
      `The layer ${backbone.layer} of ${file} gives ${backbone.dim} features, but the head of ${folder} takes ${head.dim}; ` +
        'name the --layer (and --pool) that the features were made with.',
    );
  }
  const backbone = await prepareBackbone(
    { backbone: config.backbone, layer: config.layer, pool: config.pool, ...inputOfRun(config, folder) },
    context,
  );
  if (backbone.sha256 !== config.backboneSha256) {
    throw new GraftError(
      'INVALID_MODEL',
      `The backbone ${config.backbone} has changed since ${folder} was trained on it; put the old file back or train again.`,
    );
  }
  if (!weights) return backbone;
  return { ...backbone, features: replaceInitializers(liftConstants(backbone.features), weights) };
}

/** Rows or images that are made up where there are no real ones. */
const madeUpCount = 16;

async function verifySource(
  merged: Uint8Array | string,
  { config, head, folder }: RunFolder,
  backbone: Backbone | undefined,
  { signal }: Hooks,
): Promise<Verification> {
  if (!backbone) return verifyHead({ merged, head, features: madeUp([head.dim]), signal });
  const { features, outputName: featuresOutput, input } = backbone;
  const made = { merged, features, featuresOutput, head, signal };
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

function describeValue({ name, type }: ValueInfo): ValueReport {
  if (type?.kind !== 'tensor') return { name, dtype: 'unknown', shape: [] };
  return { name, dtype: type.dtype, shape: type.shape ?? [] };
}
