/** From what the user names to a model that turns examples into features: read, cut, pooled, free in its batch. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, unreadable } from '../errors.js';
import type { FeatureDType } from '../features/feature-key.js';
import type { StoreOptions } from '../features/feature-store.js';
import { cutModel } from '../graph/cut-model.js';
import { declaredBatch } from '../graph/take-one-example.js';
import { dropInitializerInputs } from '../graph/drop-initializer-inputs.js';
import { emptyPasts } from '../graph/empty-pasts.js';
import { findTokenInputs } from '../graph/find-token-inputs.js';
import { holdStates } from '../graph/hold-states.js';
import { inlineFunctions } from '../graph/inline-functions.js';
import type { Pool } from '../graph/pool-features.js';
import { listTokenInputs } from '../graph/token-inputs.js';
import { explainOtherEachTime, exportRemedy } from '../graph/explain-other-each-time.js';
import { writeOutSparse } from '../graph/write-out-sparse.js';
import { type Logger, silentLogger } from '../logger.js';
import type { FetchHooks } from '../models/fetch-hooks.js';
import { resolveBackbone } from '../models/resolve-backbone.js';
import { identifyInput } from '../models/identify-input.js';
import { type InputSpec, tokenDims } from '../models/input-spec.js';
import type { Graph, Model, ValueInfo } from '../onnx/ir.js';
import { modelDigest } from '../onnx/model-digest.js';
import { decodeModel } from '../onnx/read-model.js';
import { shortenText } from '../shorten-text.js';
import { declaredPool } from '../text/declared-pool.js';
import { formatShape } from '../tensor/shape.js';
import { batchFeatures } from './batch-features.js';
import { asOneExample, assertSameAlone } from './one-example.js';
import { examineLayer, recommendLayer } from './chosen-layer.js';
import { settleBranches } from './settle-branches.js';
import { settleFloats } from './settle-floats.js';
import { settleMode } from './settle-mode.js';
import { imageInputs } from './find-pixel-input.js';
import { describeInputs, type FoundInput, findInput, type InputOptions } from './find-input.js';
import type { fitLength } from './find-token-input.js';

export interface BackboneOptions extends InputOptions {
  /** ONNX file or folder, catalogue name or hf:owner/repo. */
  readonly backbone: string;
  /** Tensor name; default: the recommended feature layer. */
  readonly layer?: string | undefined;
  readonly pool?: Pool | undefined;
}

export interface BackboneHooks extends FetchHooks {
  /** Where backbones that go by name are kept. */
  readonly folder: string;
}

export interface Backbone {
  readonly path: string;
  /** Of the file and its external data. */
  readonly sha256: string;
  /** The whole model as the file says it, but for functions and known branches, which are written out, and an image input that takes float32 whatever it is cast to. */
  readonly model: Model;
  readonly layer: string;
  readonly pool: Pool;
  readonly input: InputSpec;
  readonly dim: number;
  /** image [batch, C, H, W] or tokens [batch, T] → features [batch, dim] float32, batch free. */
  readonly features: Model;
  readonly outputName: string;
}

/** @throws GraftError where the file, the layer, the pooling, the preprocessing or the tokenizer does not fit. */
export async function prepareBackbone(
  { backbone, layer, pool, ...given }: BackboneOptions,
  { folder, logger = silentLogger, signal }: BackboneHooks,
): Promise<Backbone> {
  const file = await resolveBackbone(backbone, { folder, logger, signal });
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw unreadable(file, error);
  }
  const decoded = decodeModel(bytes, { path: file });
  const dense = dropInitializerInputs(writeOutSparse(decoded));
  const inferring = settleMode(inlineFunctions(dense), file, logger);
  const read = await settleFloats(inferring, file, logger);
  try {
    const one = await asOneExample(read);
    const sha256 = modelDigest(bytes, decoded);
    const prepared = await prepareDecoded(
      { file, sha256, model: one },
      { layer, pool, ...given },
      { logger },
    );
    await assertSameAlone(read, one, prepared);
    return prepared;
  } catch (error) {
    explainFailedTrial(error, read.graph, file);
    const isOfBatch =
      declaredBatch(read.graph) !== undefined &&
      error instanceof GraftError &&
      /^(RUNTIME|INVALID_M)/.test(error.code);
    if (!isOfBatch) throw error;
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${file} takes a fixed number of examples at once, in more places than can be changed to one ` +
        `(${shortenText(error.message, 160)}); export it with a free batch, or for one example.`,
      { cause: error },
    );
  }
}

async function prepareDecoded(
  { file, sha256, model: plain }: { file: string; sha256: string; model: Model },
  { layer, pool, ...given }: Omit<BackboneOptions, 'backbone'>,
  { logger }: { logger: Logger },
): Promise<Backbone> {
  const whole = emptyPasts(holdStates(plain));
  const decoded =
    imageInputs(whole.graph).length > 1 && layer !== undefined ? cutModel(whole, [layer]) : whole;
  const found = await findInput(decoded, file, given, logger);
  const { probe } = found;
  const model = await settleBranches(found.model, probe);
  const named = layer ?? model.metadata.get('graft.layer');
  const tokenPool = pool === undefined && found.what === 'text' ? await declaredPool(file) : undefined;
  const analysis = { ...probe, tokenPool };
  const { chosen, shapes, defaultPool, reason } =
    named === undefined
      ? await recommendLayer(model, analysis, file)
      : await examineLayer(model, named, analysis);
  const input = found.describe(shapes);
  const layerShape = shapeOfExample(shapes, chosen, found.what, file);
  const usedPool = pool ?? defaultPool();
  if (reason !== undefined) {
    const { length } = layerShape;
    const source = usedPool === tokenPool ? ' as the 1_Pooling/config.json beside it says' : '';
    const pooling = usedPool === 'none' && length === 2 ? 'as it is' : `pooled by ${usedPool}${source}`;
    logger.info(`Feature layer ${chosen} ${formatShape(layerShape)}, ${pooling}: ${reason}.`);
  }
  const cut = cutModel(model, [chosen]);
  assertMadeOf(cut, found, chosen, file);
  const training = explainOtherEachTime(cut.graph);
  if (training !== undefined) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${file} ${training}, so an example has no features of its own. ${exportRemedy}`,
    );
  }
  // Pooling may read an input that the layer itself does not depend on.
  const inputs = model.graph.inputs.filter(({ name }) => found.names.includes(name));
  const fed = { ...cut, graph: { ...cut.graph, inputs } };
  const { pooled, taken } = await batchFeatures(
    { model: fed, layer: chosen, pool: usedPool, shapes, input },
    { file, what: found.what, logger },
  );
  const length = { file, given: given.maxLength, logger };
  const fitted = taken.kind === 'tokens' ? await fitText(pooled.model, taken, length) : taken;
  return {
    path: path.resolve(file),
    sha256,
    model,
    layer: chosen,
    pool: usedPool,
    input: fitted,
    dim: pooled.dim,
    features: pooled.model,
    outputName: pooled.output,
  };
}

/** @throws GraftError UNKNOWN_VALUE, UNSUPPORTED_MODEL where the layer holds no features of each example */
function shapeOfExample(
  shapes: ReadonlyMap<string, readonly number[]>,
  layer: string,
  what: string,
  file: string,
): readonly number[] {
  const shape = shapes.get(layer);
  if (!shape) throw new GraftError('UNKNOWN_VALUE', `Layer "${layer}" of ${file} is not a tensor that runs.`);
  if (shape.length <= 1 || shape[0] === 1) return shape;
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `Layer "${layer}" of ${file} has shape ${formatShape(shape)} for one ${what}: its first axis counts something else than examples ` +
      '(steps, windows, proposals), so it holds no features of each. Choose a layer whose first axis is 1 there; graft inspect lists some.',
  );
}

/** `fitLength`, loaded with the tokenizers for texts only. */
async function fitText(...args: Parameters<typeof fitLength>): Promise<InputSpec> {
  return (await import('./find-token-input.js')).fitLength(...args);
}

/** What the backbone's features are stored as. */
export function storeOf(
  { sha256: backboneSha256, layer, pool, input, dim }: Backbone,
  dtype: FeatureDType,
): StoreOptions {
  return { backboneSha256, layer, pool, ...identifyInput(input), dim, dtype };
}

/** @throws GraftError UNSUPPORTED_MODEL where the layer depends on more than the example. */
function assertMadeOf({ graph }: Model, { names, what }: FoundInput, layer: string, file: string): void {
  const others = graph.inputs.filter(({ name }) => !names.includes(name));
  if (others.length === 0 && graph.inputs.length > 0) return;
  const reason =
    others.length > 0 ? `also needs the inputs ${describeInputs(others)}` : `does not depend on the ${what}`;
  const main = graph.inputs.find(({ name }) => names.includes(name));
  // Keras writes tensors that a model captured so, as the mean of its Normalization.
  const areConstants = others.length > 0 && !hasNoBatch(main) && others.every(hasNoBatch);
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `Layer "${layer}" of ${file} ${reason}; name a layer with --layer that is made of the ${what} "${names.join('", "')}" alone` +
      (areConstants
        ? ', or write those inputs into the file as constants: they have no batch, so they are no part of an example.'
        : '.'),
  );
}

/** Where a model does not run because of what was made up for inputs beside the example, or for the length of a text. @throws GraftError UNSUPPORTED_MODEL then */
function explainFailedTrial(error: unknown, graph: Graph, file: string): void {
  if (!(error instanceof GraftError) || error.code !== 'RUNTIME_FAILURE') return;
  const images = imageInputs(graph);
  const tokens = images.length === 0 ? findTokenInputs(graph) : undefined;
  const own = new Set((tokens ? listTokenInputs(tokens) : images).map(({ name }) => name));
  if (!tokens && images.length !== 1) return;
  const others = graph.inputs.filter(({ name }) => !own.has(name));
  const runtimeSays = `(${error.message.split('\n', 1)[0]!.slice(0, 160)}…)`;
  if (others.length > 0) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${file} does not run with numbers that were made up for its inputs ${describeInputs(others)}; write into the file, as constants, what they should hold ${runtimeSays}.`,
      { cause: error },
    );
  }
  if (tokens && tokens.fixedLength === undefined) {
    const [, length] = tokenDims(tokens).get(tokens.ids.name)!;
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${file} does not run on a text of ${length} tokens, though it leaves their number free; export it so that it runs on any, or for a fixed number ${runtimeSays}.`,
      { cause: error },
    );
  }
}

/** Whether all sizes are told, the first one as 1. */
const hasNoBatch = (input: ValueInfo | undefined): boolean =>
  input?.type?.kind === 'tensor' &&
  input.type.shape?.every((dim) => typeof dim === 'number') === true &&
  (input.type.shape[0] ?? 1) === 1;
