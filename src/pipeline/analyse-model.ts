/** A model's structure from one run of it: shapes of all values, blocks, and the layers a head may stand on. */
import { untrainable } from '../autodiff/trainable-from-here.js';
import { dropInitializerInputs } from '../graph/drop-initializer-inputs.js';
import {
  analyseStructure,
  type FeatureLayer,
  type ModelStructure,
  type StructureOptions,
} from '../graph/feature-layers.js';
import { inlineFunctions } from '../graph/inline-functions.js';
import { unrollLoops } from '../graph/unroll-loops.js';
import type { Shapes } from '../graph/value-layout.js';
import { writeOutSparse } from '../graph/write-out-sparse.js';
import type { Model } from '../onnx/ir.js';
import { asOneExample } from './one-example.js';
import { type ProbeOptions, probeShapes } from '../runtime/probe-shapes.js';

export type AnalysisOptions = ProbeOptions & Pick<StructureOptions, 'tokenPool'>;

export interface AnalysedModel extends ModelStructure {
  readonly shapes: Shapes;
}

/** @throws GraftError INVALID_MODEL or RUNTIME_FAILURE where onnxruntime does not run the model. */
export async function analyseModel(
  model: Model,
  { tokenPool, ...options }: AnalysisOptions = {},
): Promise<AnalysedModel> {
  const plain = inlineFunctions(await asOneExample(dropInitializerInputs(writeOutSparse(model))));
  const shapes = await probeShapes(plain, options);
  const { graph } = plain;
  const structure = analyseStructure(plain, shapes, {
    tokenPool,
    untrainable: (to) => untrainable(unrollLoops(graph, plain.opsets.get('') ?? 17), [to]),
  });
  return { ...structure, shapes };
}

/** The layers of a model that a new head may stand on, in the order of the graph; one of them is recommended. */
export async function listFeatureLayers(
  model: Model,
  options: AnalysisOptions = {},
): Promise<readonly FeatureLayer[]> {
  return (await analyseModel(model, options)).layers;
}
