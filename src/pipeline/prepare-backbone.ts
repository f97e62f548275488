/** From what the user names to a model that turns images into features: read, cut, pooled, free in its batch. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, unreadable } from '../errors.js';
import { assertValueExists } from '../graph/assert-value-exists.js';
import { cutModel } from '../graph/cut-model.js';
import { dropInitializerInputs } from '../graph/drop-initializer-inputs.js';
import { traceData } from '../graph/data-flow.js';
import { defaultPool, hasClassToken } from '../graph/default-pool.js';
import { feedFloat32 } from '../graph/feed-float32.js';
import { freeBatch } from '../graph/free-batch.js';
import { holdStates } from '../graph/hold-states.js';
import { mainInputs } from '../graph/main-inputs.js';
import { knownShape } from '../graph/plan-feeds.js';
import { type Pool, poolFeatures } from '../graph/pool-features.js';
import { type Shapes, valueLayouts } from '../graph/value-layout.js';
import { type Logger, silentLogger } from '../logger.js';
import type { FetchHooks } from '../models/fetch-hooks.js';
import { resolveBackbone } from '../models/resolve-backbone.js';
import { guessPreprocess } from '../models/guess-preprocess.js';
import type { PreprocessSpec } from '../models/preprocess-spec.js';
import { findPreprocess, pixelShape } from '../models/read-preprocess.js';
import type { Model, ValueInfo } from '../onnx/ir.js';
import { decodeModel } from '../onnx/read-model.js';
import { encodeModel } from '../onnx/write-model.js';
import { type ProbeOptions, probeShapes } from '../runtime/probe-shapes.js';
import { formatShape } from '../tensor/shape.js';
import { analyseModel } from './analyse-model.js';

export interface BackboneOptions {
  /** ONNX file, catalogue name or hf:owner/repo. */
  readonly backbone: string;
  /** Tensor name; default: the recommended feature layer. */
  readonly layer?: string | undefined;
  readonly pool?: Pool | undefined;
  /** File with the preprocessing spec. */
  readonly preprocess?: string | undefined;
}

export interface BackboneHooks extends FetchHooks {
  /** Where backbones that go by name are kept. */
  readonly folder: string;
}

export interface Backbone {
  readonly path: string;
  readonly sha256: string;
  /** The whole model as the file says it, but for an image input that takes float32 whatever it is cast to. */
  readonly model: Model;
  readonly layer: string;
  readonly pool: Pool;
  readonly preprocess: PreprocessSpec;
  readonly dim: number;
  /** image [batch, C, H, W] → features [batch, dim] float32, batch free. */
  readonly features: Model;
  readonly inputName: string;
  readonly outputName: string;
}

/** @throws GraftError where the file, the layer, the pooling or the preprocessing does not fit. */
export async function prepareBackbone(
  { backbone, layer, pool, preprocess }: BackboneOptions,
  { folder, logger = silentLogger, signal }: BackboneHooks,
): Promise<Backbone> {
  const file = await resolveBackbone(backbone, { folder, logger, signal });
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw unreadable(file, error);
  }
  const decoded = holdStates(dropInitializerInputs(decodeModel(bytes, { path: file })));
  const image = imageInput(decoded, file);
  const found = await findPreprocess({
    ...(preprocess !== undefined && { preprocess }),
    modelPath: file,
    metadata: decoded.metadata,
  });
  const { model, input } = feedFloat32(decoded, image.name);
  const probe = { inputDims: found && new Map([[input, fedDims(found, image, file)]]) };
  const named = layer ?? model.metadata.get('graft.layer');
  const { chosen, shapes, defaultPool, reason } =
    named === undefined ? await recommendLayer(model, probe, file) : await examineLayer(model, named, probe);
  const spec = found ?? guessSpec(image, shapes.get(input)!, logger);
  const layerShape = shapes.get(chosen);
  if (!layerShape)
    throw new GraftError('UNKNOWN_VALUE', `Layer "${chosen}" of ${file} is not a tensor that runs.`);
  const usedPool = pool ?? defaultPool();
  if (reason !== undefined) {
    const { length } = layerShape;
    const pooling = usedPool === 'none' && length === 2 ? 'as it is' : `pooled by ${usedPool}`;
    logger.info(`Feature layer ${chosen} ${formatShape(layerShape)}, ${pooling}: ${reason}.`);
  }
  const pooled = poolFeatures(
    freeBatch(onlyImage(cutModel(model, [chosen]), input, chosen, file), shapes),
    chosen,
    {
      pool: usedPool,
      shape: layerShape,
    },
  );
  return {
    path: path.resolve(file),
    sha256: createHash('sha256').update(bytes).digest('hex'),
    model,
    layer: chosen,
    pool: usedPool,
    preprocess: spec,
    dim: pooled.dim,
    features: pooled.model,
    inputName: input,
    outputName: pooled.output,
  };
}

/** The encoded feature model, as sessions take it. */
export function encodeFeatures(backbone: Backbone): Uint8Array {
  return encodeModel(backbone.features);
}

interface ChosenLayer {
  readonly chosen: string;
  readonly shapes: Shapes;
  readonly defaultPool: () => Pool;
  readonly reason?: string;
}

async function recommendLayer(model: Model, probe: ProbeOptions, file: string): Promise<ChosenLayer> {
  const { layers, shapes, obstacle } = await analyseModel(model, probe);
  const recommended = layers.find((candidate) => candidate.recommended);
  if (!recommended) {
    throw new GraftError(
      'UNKNOWN_VALUE',
      `No feature layer was recognised in ${file}. ${obstacle} Name a tensor with --layer.`,
    );
  }
  const { name, pool, reason } = recommended;
  return { chosen: name, shapes, defaultPool: () => pool, reason };
}

/** Runs the model no further than the layer: what comes after it need not even run here. */
async function examineLayer(model: Model, layer: string, probe: ProbeOptions): Promise<ChosenLayer> {
  assertValueExists(model, layer);
  const cut = cutModel(model, [layer]);
  const shapes = await probeShapes(cut, probe);
  const pool = (): Pool => {
    const flow = traceData(cut.graph, mainInputs(cut.graph, shapes));
    return defaultPool(layer, {
      shape: shapes.get(layer)!,
      layout: valueLayouts(cut.graph, shapes).get(layer)!,
      classToken: hasClassToken(flow, shapes, layer),
    });
  };
  return { chosen: layer, shapes, defaultPool: pool };
}

/** The one input that takes pixels. */
function imageInput({ graph }: Model, file: string): ValueInfo {
  const images = graph.inputs.filter(
    (input) => input.type?.kind === 'tensor' && knownShape(graph, input)?.length === 4,
  );
  const ofColours = images.filter((input) => {
    const shape = knownShape(graph, input)!;
    return [shape[1], shape[3]].some((size) => size === 1 || size === 3);
  });
  for (const candidates of [images, ofColours]) if (candidates.length === 1) return candidates[0]!;
  const takesText = graph.inputs.some(
    ({ type }) => type?.kind === 'tensor' && (type.dtype === 'int64' || type.dtype === 'int32'),
  );
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `Expected ${file} to have one image input of 4 axes but it has ${describeInputs(graph.inputs)}.` +
      (takesText && images.length === 0
        ? ' It looks like a text model: compute its embeddings elsewhere and train on them with --features.'
        : ''),
  );
}

function describeInputs(inputs: readonly ValueInfo[]): string {
  if (inputs.length === 0) return 'no input';
  return inputs
    .map(({ name, type }) => {
      const what =
        type?.kind !== 'tensor'
          ? 'no tensor'
          : `${type.dtype} ${type.shape ? formatShape(type.shape) : 'of unknown shape'}`;
      return `${name}: ${what}`;
    })
    .join('; ');
}

/** @throws GraftError UNSUPPORTED_MODEL where the layer depends on more than the image. */
function onlyImage(cut: Model, input: string, layer: string, file: string): Model {
  const others = cut.graph.inputs.filter(({ name }) => name !== input);
  if (cut.graph.inputs.length - others.length === 1 && others.length === 0) return cut;
  const what =
    others.length > 0 ? `also needs the inputs ${describeInputs(others)}` : 'does not depend on the image';
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `Layer "${layer}" of ${file} ${what}; name a layer with --layer that is made of the image "${input}" alone.`,
  );
}

function guessSpec({ name, type }: ValueInfo, shape: readonly number[], logger: Logger): PreprocessSpec {
  const dtype = type?.kind === 'tensor' ? type.dtype : 'float32';
  const { spec, explanation } = guessPreprocess({ name, shape, dtype });
  logger.warn(explanation);
  return spec;
}

/** The input's shape for one image, checked against what the preprocessing makes. */
function fedDims(spec: PreprocessSpec, { name, type }: ValueInfo, file: string): readonly number[] {
  const declared = (type?.kind === 'tensor' ? type.shape : undefined) ?? [];
  const { channels, height, width } = pixelShape(spec);
  const dims = spec.layout === 'nchw' ? [1, channels, height, width] : [1, height, width, channels];
  const fits =
    declared.length === 0 ||
    declared.every((dim, axis) => axis === 0 || typeof dim !== 'number' || dim <= 0 || dim === dims[axis]);
  if (!fits) {
    throw new GraftError(
      'INVALID_PREPROCESS',
      `Input "${name}" of ${file} takes ${formatShape(declared)} but the preprocessing makes ${formatShape(dims)}; ` +
        'give a spec with the right size, layout and channels with --preprocess.',
    );
  }
  return dims;
}
