/** `graft gradient`: a model with its gradients as further outputs, and their check against finite differences. */
import { asFloat32, hasDType } from '../graph/as-float32.js';
import { explainRandom } from '../graph/explain-other-each-time.js';
import { forInference } from '../graph/for-inference.js';
import { inlineFunctions } from '../graph/inline-functions.js';
import { writeOutSparse } from '../graph/write-out-sparse.js';
import type { Logger } from '../logger.js';
import { GraftError } from '../errors.js';
import { checkGradients, type DirectionCheck, type GradientCheck } from '../autodiff/check-gradients.js';
import type { FetchHooks } from '../models/fetch-hooks.js';
import { resolveBackbone } from '../models/resolve-backbone.js';
import type { Dimension, Graph, Model } from '../onnx/ir.js';
import { readModel } from '../onnx/read-model.js';
import { writeModel } from '../onnx/write-model.js';
import { formatShape, sizeOf } from '../tensor/shape.js';
import { addGradients, type InputShapes } from './add-gradients.js';
import { backbonesFolder } from './cache-folder.js';
import { settleFloats } from './settle-floats.js';
import { spareInputs, spareWeights } from './spare-inputs.js';

export interface GradientOptions {
  /** ONNX file or folder, catalogue name or hf:owner/repo. */
  readonly model: string;
  /** Cache folder, where models that go by name are kept. */
  readonly cache?: string | undefined;
  /** The value to differentiate; its sum where it is not a scalar. Default: the model's only output. */
  readonly loss?: string;
  /** Values, or 'all': every float initializer from which a gradient path leads to the loss. */
  readonly wrt?: 'all' | readonly string[];
  /** Where to write the model; nothing is written without it. */
  readonly out?: string;
  /** Whole shapes of inputs whose free dimensions are not to be chosen. */
  readonly inputShapes?: InputShapes;
  /** Compare with central differences in float64. */
  readonly check?: boolean;
  /** Most elements of each parameter that are compared. Default: what a minute allows, up to 8, maybe of some parameters alone. */
  readonly samples?: number;
  /** As of `checkGradients`. */
  readonly timeMs?: number;
  readonly seed?: number;
  /** Largest relative error, above which parameters are suspected. */
  readonly tolerance?: number;
}

export interface GradientReport {
  readonly loss: string;
  readonly lossShape: readonly number[];
  /** Whether the loss has several elements, whose sum is differentiated. */
  readonly isSummed: boolean;
  /** `output` is the name of the model's new output. */
  readonly gradients: readonly {
    readonly name: string;
    readonly output: string;
    readonly shape: readonly Dimension[];
  }[];
  /** Sizes of the inputs in the trial run. */
  readonly inputShapes: Readonly<Record<string, readonly number[]>>;
  readonly model?: string;
  readonly check?: readonly GradientCheck[];
  /** All gradients along one random direction; undefined where that leads over kinks. */
  readonly checkTogether?: DirectionCheck;
}

/**
 * Adds an output `grad/<name>` for each of `wrt`; all other outputs stay, and the loss becomes one. Weights stay
 * initializers.
 * @throws GraftError NO_GRADIENT_RULE listing every operator in the way, UNKNOWN_VALUE, or VERIFICATION_FAILED, INTERRUPTED.
 */
export async function writeGradients(
  {
    model: named,
    cache,
    wrt = 'all',
    out,
    loss: lossName,
    inputShapes,
    check = false,
    ...options
  }: GradientOptions,
  hooks: FetchHooks = {},
): Promise<GradientReport> {
  const { logger, signal } = hooks;
  const path = await resolveBackbone(named, { ...hooks, folder: backbonesFolder(cache) });
  if (out !== undefined) await spareInputs(out, [path]);
  const given = await settleForGradients(await readModel(path), path, logger);
  const { model, loss, lossShape, gradients, source, inputDims, chosen } = await addGradients(given, {
    parameters: wrt,
    ...(lossName !== undefined && { loss: lossName }),
    ...(inputShapes && { inputShapes }),
  });
  if (signal?.aborted) throw new GraftError('INTERRUPTED', 'Stopped; nothing was written.');
  for (const name of chosen) {
    logger?.info(
      `"${name}" was taken as ${formatShape(inputDims.get(name)!)}. Gradients of pooling over windows, of resizing, of transposed convolutions and of those with strides hold for these sizes, with any batch; say others with --input-shape.`,
    );
  }
  const isSummed = sizeOf(lossShape) !== 1;
  if (isSummed) logger?.info(`The loss "${loss}" is ${formatShape(lossShape)}; its sum is differentiated.`);
  let checks: Awaited<ReturnType<typeof checkGradients>> | undefined;
  if (check) {
    assertSameEachTime(source, path);
    if (isSummed) logger?.info('For the check its elements are weighted at random, lest gradients cancel.');
    checks = await checkGradients(source, {
      loss,
      parameters: [...gradients.keys()],
      inputDims,
      signal,
      ...options,
      seed: options.seed ?? 1,
    });
  }
  if (out !== undefined) {
    await spareWeights(out, model);
    await writeModel(model, out);
  }
  const shapeOf = outputShapes(model.graph);
  return {
    loss,
    lossShape,
    isSummed,
    gradients: [...gradients].map(([name, output]) => ({ name, output, shape: shapeOf.get(output) ?? [] })),
    inputShapes: Object.fromEntries(inputDims),
    ...(out !== undefined && { model: out }),
    ...(checks && { check: checks.parameters, ...(checks.together && { checkTogether: checks.together }) }),
  };
}

/** @throws GraftError UNSUPPORTED_MODEL */
function assertSameEachTime({ graph }: Model, file: string): void {
  const reason = forInference(graph).changed.includes('Dropout')
    ? 'leaves out other numbers in every run (Dropout in training mode)'
    : explainRandom(graph);
  if (reason === undefined) return;
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `Differences tell nothing of the gradients of ${file}, which ${reason}: check an export for inference (model.eval() before torch.onnx.export), or leave --check away.`,
  );
}

/** In float32, for which the gradients are written, and in which they keep their digits. */
async function settleForGradients(read: Model, file: string, logger?: Logger): Promise<Model> {
  const plain = await settleFloats(inlineFunctions(writeOutSparse(read)), file, logger);
  if (!hasDType(plain.graph, ['float16'])) return plain;
  logger?.info(
    `${file} computes in float16: its gradients are computed in float32, and the file with them is float32.`,
  );
  return asFloat32(plain, ['float16']);
}

function outputShapes({ outputs }: Graph): ReadonlyMap<string, readonly Dimension[] | undefined> {
  return new Map(outputs.map(({ name, type }) => [name, type?.kind === 'tensor' ? type.shape : undefined]));
}
