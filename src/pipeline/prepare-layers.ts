/** Several feature layers of one backbone, and one model that gives the features of all of them. */
import { boundLoops } from '../graph/bound-loops.js';
import { freeBatch } from '../graph/free-batch.js';
import { cutModel } from '../graph/cut-model.js';
import { type Pool, poolLayers } from '../graph/pool-features.js';
import type { TokenInputs } from '../graph/token-inputs.js';
import {
  exampleDims,
  type InputSpec,
  restrictInput,
  takesOne,
  takingOne,
  tokenMask,
  type TokenSpec,
} from '../models/input-spec.js';
import { layOutModel, type ModelLayout } from '../onnx/lay-out-model.js';
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
  /** image or tokens → the features of every layer. */
  layOut(): Promise<ModelLayout>;
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
  const { model } = alone[0]!;
  const input = allInputs(alone);
  const inputDims = exampleDims(input);
  const names = [...new Set(alone.map(({ layer }) => layer))];
  const cut = cutModel(model, names);
  const shapes = await probeShapes(cut, { inputDims });
  const inputs = model.graph.inputs.filter(({ name }) => inputDims.has(name));
  const mask = tokenMask(input);
  const fed = { ...cut, graph: { ...cut.graph, inputs } };
  const pooled = poolLayers(
    takesOne(input) ? fed : freeBatch(fed, new Map([...shapes, ...inputDims])),
    alone.map(({ layer, pool }) => ({ value: layer, pool, shape: shapes.get(layer)!, mask })),
  );
  const taken = restrictInput(input, pooled.model.graph);
  const backbones = alone.map((backbone, i) => ({
    ...backbone,
    input: taken,
    outputName: pooled.outputs[i]!.name,
  }));
  return { backbones, layOut: () => layOutModel(boundLoops(pooled.model)) };
}

const tokenInputs = ({ input }: Backbone): TokenInputs => (input as TokenSpec).inputs;

/** What any of the layers takes. */
function allInputs(backbones: readonly Backbone[]): InputSpec {
  const [{ input }] = backbones as [Backbone];
  const all =
    input.kind === 'pixels'
      ? input
      : { ...input, inputs: Object.assign({}, ...backbones.map(tokenInputs)) as TokenInputs };
  // One layer may be the same of several examples together, and another not.
  return backbones.some((backbone) => takesOne(backbone.input)) ? takingOne(all) : all;
}
