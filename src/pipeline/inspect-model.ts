/** `graft inspect`: what a model file holds, and where a new head may stand. */
import path from 'node:path';
import { GraftError } from '../errors.js';
import { countParameters } from '../graph/count-parameters.js';
import { dropInitializerInputs } from '../graph/drop-initializer-inputs.js';
import { emptyPasts, pastInputs } from '../graph/empty-pasts.js';
import type { FeatureLayer } from '../graph/feature-layers.js';
import { explainOtherEachTime, exportRemedy } from '../graph/explain-other-each-time.js';
import { inlineFunctions } from '../graph/inline-functions.js';
import { holdStates, stateInputs } from '../graph/hold-states.js';
import { writeOutSparse } from '../graph/write-out-sparse.js';
import type { FetchHooks } from '../models/fetch-hooks.js';
import { resolveBackbone } from '../models/resolve-backbone.js';
import { readModel } from '../onnx/read-model.js';
import { drawBlocks } from '../report/draw-blocks.js';
import { shorten } from '../report/svg-elements.js';
import { formatShape } from '../tensor/shape.js';
import { declaredPool } from '../text/declared-pool.js';
import { makeFolder, writeDurably } from '../write-durably.js';
import { analyseModel } from './analyse-model.js';
import { backbonesFolder } from './cache-folder.js';
import { describeValue, type ValueReport } from './describe-value.js';
import { explainSeveralImages } from './find-input.js';
import { spareInputs } from './spare-inputs.js';
import { settleBranches } from './settle-branches.js';
import { settleFloats } from './settle-floats.js';
import { settleMode } from './settle-mode.js';

export interface Inspection {
  readonly model: string;
  readonly irVersion: number;
  readonly producer: string;
  readonly inputs: readonly ValueReport[];
  readonly outputs: readonly ValueReport[];
  readonly opsets: Readonly<Record<string, number>>;
  /** Numbers in all weights. */
  readonly parameters: number;
  readonly nodes: number;
  /** How often each operator occurs, the most frequent first. */
  readonly operators: Readonly<Record<string, number>>;
  /** Inputs that carry a recurrent state, or a decoder's past, from run to run; features are taken without one. */
  readonly states: readonly string[];
  readonly featureLayers: readonly FeatureLayer[];
  /** Why no layers could be looked for: what onnxruntime says of the model. */
  readonly problem?: string;
  /** Why none were found in a model that runs. */
  readonly obstacle?: string;
  /** The drawing that was asked for. */
  readonly svg?: string;
}

export interface InspectOptions {
  /** File to draw the blocks into. */
  readonly svg?: string | undefined;
  /** Cache folder, where models that go by name are kept. */
  readonly cache?: string | undefined;
}

/**
 * A model that onnxruntime does not run is still reported, without layers and with the reason.
 * @param named - ONNX file or folder, catalogue name or hf:owner/repo
 */
export async function inspectModel(
  named: string,
  { svg, cache }: InspectOptions = {},
  hooks: FetchHooks = {},
): Promise<Inspection> {
  const file = await resolveBackbone(named, { ...hooks, folder: backbonesFolder(cache) });
  const model = inlineFunctions(dropInitializerInputs(writeOutSparse(await readModel(file))));
  const settled = await settleFloats(settleMode(model, file, hooks.logger), file, hooks.logger);
  const begun = await settleBranches(emptyPasts(holdStates(settled)));
  const { graph } = model;
  const operators = new Map<string, number>();
  for (const { opType } of graph.nodes) operators.set(opType, (operators.get(opType) ?? 0) + 1);
  const training = explainOtherEachTime(begun.graph);
  if (training !== undefined) hooks.logger?.warn(`${file} ${training}. ${exportRemedy}`);
  const tokenPool = await declaredPool(file);
  const analysed = await analyseModel(begun, { tokenPool }).catch((error: unknown) => {
    if (error instanceof GraftError) return error;
    throw error;
  });
  const isRun = !(analysed instanceof GraftError);
  const several = explainSeveralImages(begun.graph, file);
  if (several !== undefined) hooks.logger?.warn(several);
  const report: Inspection = {
    model: file,
    irVersion: model.irVersion,
    producer: `${model.producerName} ${model.producerVersion}`.trim(),
    inputs: graph.inputs.map(describeValue),
    outputs: graph.outputs.map(describeValue),
    opsets: Object.fromEntries([...model.opsets].map(([domain, version]) => [domain || 'ai.onnx', version])),
    parameters: countParameters(graph).total,
    nodes: graph.nodes.length,
    operators: Object.fromEntries([...operators].sort(([, a], [, b]) => b - a)),
    states: [...stateInputs(model), ...pastInputs(model)],
    // What is made of several images is used by none of the commands.
    featureLayers: !isRun
      ? []
      : analysed.layers.map((layer) => (several === undefined ? layer : { ...layer, recommended: false })),
    ...(!isRun && { problem: analysed.message }),
    ...(isRun && analysed.obstacle !== undefined && { obstacle: analysed.obstacle }),
    ...(svg !== undefined && { svg: path.resolve(svg) }),
  };
  if (svg !== undefined) {
    await spareInputs(svg, [file]);
    const drawing = drawBlocks({
      title: path.basename(file),
      facts: factsOf(report),
      inputs: report.inputs.map(showValue),
      outputs: report.outputs.map(showValue),
      parameters: report.parameters,
      ...(isRun ? analysed : { layers: [], shapes: new Map() }),
    });
    await makeFolder(path.dirname(path.resolve(svg)));
    await writeDurably(path.resolve(svg), drawing);
  }
  return report;
}

function factsOf({ nodes, parameters, opsets, producer }: Inspection): string[] {
  const versions = Object.entries(opsets).map(([domain, version]) => `${domain} ${version}`);
  return [
    `${nodes} ${nodes === 1 ? 'node' : 'nodes'}`,
    `${parameters.toLocaleString('en')} parameters`,
    versions.slice(0, 3).join(', '),
    ...(producer === '' ? [] : [producer]),
  ];
}

/** Symbols that an exporter made up of a whole path are no more than an unknown size to a reader. */
function showValue({ name, dtype, shape }: ValueReport): string {
  const sizes = shape.map((dim) => (typeof dim === 'string' && dim.length > 16 ? null : dim));
  return `${shorten(name, 26)}  ${dtype} ${formatShape(sizes)}`;
}
