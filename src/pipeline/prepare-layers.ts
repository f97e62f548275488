/** Several feature layers of one backbone, and one model that gives the features of all of them. */
import { freeBatch } from '../graph/free-batch.js';
import { cutModel } from '../graph/cut-model.js';
import { type Pool, poolLayers } from '../graph/pool-features.js';
import { pixelShape } from '../models/read-preprocess.js';
import { encodeModel } from '../onnx/write-model.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import { invalidArgument } from '../errors.js';
import {
  type Backbone,
  type BackboneHooks,
  type BackboneOptions,
  prepareBackbone,
} from './prepare-backbone.js';

export interface LayerChoice {
  readonly layer: string;
  /** Default: what suits its shape. */
  readonly pool?: Pool | undefined;
}

export interface PreparedLayers {
  /** One for each layer, as `prepareBackbone` gives it, but `outputName` is that of the shared model. */
  readonly backbones: readonly Backbone[];
  /** image → the features of every layer. */
  encode(): Uint8Array;
}

/** @throws GraftError as `prepareBackbone`, INVALID_ARGUMENT for no layers. */
export async function prepareLayers(
  options: BackboneOptions,
  layers: readonly LayerChoice[],
  hooks: BackboneHooks,
): Promise<PreparedLayers> {
  if (layers.length === 0) throw invalidArgument('layers', 'one layer or more', 'none');
  const alone: Backbone[] = [];
  for (const { layer, pool } of layers) {
    alone.push(await prepareBackbone({ ...options, layer, pool }, hooks));
  }
  const { model, inputName, preprocess } = alone[0]!;
  const { channels, height, width } = pixelShape(preprocess);
  const image = preprocess.layout === 'nchw' ? [1, channels, height, width] : [1, height, width, channels];
  const names = [...new Set(alone.map(({ layer }) => layer))];
  const cut = cutModel(model, names);
  const shapes = await probeShapes(cut, { inputDims: new Map([[inputName, image]]) });
  const pooled = poolLayers(
    freeBatch(cut, shapes),
    alone.map(({ layer, pool }) => ({ value: layer, pool, shape: shapes.get(layer)! })),
  );
  const backbones = alone.map((backbone, i) => ({ ...backbone, outputName: pooled.outputs[i]!.name }));
  return { backbones, encode: () => encodeModel(pooled.model) };
}
