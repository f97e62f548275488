/** From what the user names to a model that turns images into features: read, cut, pooled, free in its batch. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, unreadable } from '../errors.js';
import { assertValueExists } from '../graph/assert-value-exists.js';
import { cutModel } from '../graph/cut-model.js';
import { dropInitializerInputs } from '../graph/drop-initializer-inputs.js';
import { listFeatureLayers } from '../graph/feature-layers.js';
import { freeBatch } from '../graph/free-batch.js';
import { type Pool, poolFeatures } from '../graph/pool-features.js';
import { type Logger, silentLogger } from '../logger.js';
import { resolveBackbone } from '../models/catalogue.js';
import type { PreprocessSpec } from '../models/preprocess-spec.js';
import { pixelShape, readPreprocess } from '../models/read-preprocess.js';
import type { Model } from '../onnx/ir.js';
import { decodeModel } from '../onnx/read-model.js';
import { encodeModel } from '../onnx/write-model.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import { formatShape } from '../tensor/shape.js';

export interface BackboneOptions {
  /** ONNX file, catalogue name or hf:owner/repo. */
  readonly backbone: string;
  /** Tensor name; default: the recommended feature layer. */
  readonly layer?: string | undefined;
  readonly pool?: Pool | undefined;
  /** File with the preprocessing spec. */
  readonly preprocess?: string | undefined;
}

export interface Backbone {
  readonly path: string;
  readonly sha256: string;
  /** The whole model as the file says it. */
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
  { folder, logger = silentLogger }: { folder: string; logger?: Logger },
): Promise<Backbone> {
  const { path: file } = await resolveBackbone(backbone, { folder });
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw unreadable(file, error);
  }
  const model = dropInitializerInputs(decodeModel(bytes, { path: file }));
  const input = imageInput(model, file);
  const shape = input.type?.kind === 'tensor' ? (input.type.shape ?? []) : [];
  const { spec, source } = await readPreprocess({
    ...(preprocess !== undefined && { preprocess }),
    modelPath: file,
    metadata: model.metadata,
    inputShape: shape,
  });
  if (source.includes('guess')) logger.warn(`Preprocessing ${source}.`);
  const inputDims = fedDims(spec, shape, input.name, file);
  const probe = { inputDims: new Map([[input.name, inputDims]]) };

  let chosen = layer ?? model.metadata.get('graft.layer');
  if (chosen === undefined) {
    const layers = listFeatureLayers(model, await probeShapes(model, probe));
    const recommended = layers.find((candidate) => candidate.recommended);
    if (!recommended) {
      throw new GraftError(
        'UNKNOWN_VALUE',
        `No feature layer was recognised in ${file}; name a tensor with --layer (graft inspect ${file} lists them).`,
      );
    }
    chosen = recommended.name;
    logger.info(`Feature layer ${chosen}: ${recommended.reason}.`);
  }
  assertValueExists(model, chosen);
  const cut = cutModel(model, [chosen]);
  const shapes = await probeShapes(cut, { ...probe, names: [chosen] });
  const layerShape = shapes.get(chosen);
  if (!layerShape)
    throw new GraftError('UNKNOWN_VALUE', `Layer "${chosen}" of ${file} is not a tensor that runs.`);
  const usedPool = pool ?? defaultPool(layerShape, chosen);
  const pooled = poolFeatures(freeBatch(cut), chosen, { pool: usedPool, shape: layerShape });
  return {
    path: path.resolve(file),
    sha256: createHash('sha256').update(bytes).digest('hex'),
    model,
    layer: chosen,
    pool: usedPool,
    preprocess: spec,
    dim: pooled.dim,
    features: pooled.model,
    inputName: input.name,
    outputName: pooled.output,
  };
}

/** The encoded feature model, as sessions take it. */
export function encodeFeatures(backbone: Backbone): Uint8Array {
  return encodeModel(backbone.features);
}

function defaultPool(shape: readonly number[], layer: string): Pool {
  if (shape.length === 4 || shape.length === 5) return 'avg';
  if (shape.length === 3) return 'mean';
  if (shape.length === 2) return 'none';
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `Layer "${layer}" has shape ${formatShape(shape)}; a feature layer has 2 axes or more, the first one the batch.`,
  );
}

/** The one input that takes pixels. */
function imageInput(model: Model, file: string) {
  const floats = model.graph.inputs.filter(
    ({ type }) => type?.kind === 'tensor' && (type.shape === undefined || type.shape.length === 4),
  );
  if (floats.length === 1) return floats[0]!;
  const inputs = model.graph.inputs.map(({ name, type }) => {
    const shape = type?.kind === 'tensor' ? `${type.dtype} ${formatShape(type.shape ?? [])}` : 'no tensor';
    return `${name}: ${shape}`;
  });
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `Expected ${file} to have one image input of 4 axes but it has ${inputs.length ? inputs.join('; ') : 'no input'}.`,
  );
}

/** The input's shape for one image, checked against what the preprocessing makes. */
function fedDims(
  spec: PreprocessSpec,
  declared: readonly (number | string | null)[],
  input: string,
  file: string,
): readonly number[] {
  const { channels, height, width } = pixelShape(spec);
  const dims = spec.layout === 'nchw' ? [1, channels, height, width] : [1, height, width, channels];
  const fits =
    declared.length === 0 ||
    declared.every((dim, axis) => axis === 0 || typeof dim !== 'number' || dim === dims[axis]);
  if (!fits) {
    throw new GraftError(
      'INVALID_PREPROCESS',
      `Input "${input}" of ${file} takes ${formatShape(declared)} but the preprocessing makes ${formatShape(dims)}; ` +
        'give a spec with the right size, layout and channels with --preprocess.',
    );
  }
  return dims;
}
