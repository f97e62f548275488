/** A model with its gradients as further outputs, with all that `differentiate` needs to know found by trial runs. */
import { checkGradientShapes } from '../autodiff/check-gradient-shapes.js';
import { type Differentiated, differentiate } from '../autodiff/differentiate.js';
import { GraftError } from '../errors.js';
import { describeValues } from '../graph/cut-model.js';
import { dropInitializerInputs } from '../graph/drop-initializer-inputs.js';
import { inlineFunctions } from '../graph/inline-functions.js';
import { liftConstants } from '../graph/lift-constants.js';
import { unrollLoops } from '../graph/unroll-loops.js';
import { raiseOpset } from '../graph/opset/raise-opset.js';
import { writeOutSparse } from '../graph/write-out-sparse.js';
import type { Graph, Model } from '../onnx/ir.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import { type ProbedShapes, probeFreeShapes } from '../runtime/probe-sizes.js';
import { settleBranches } from './settle-branches.js';

export interface AddGradientsOptions {
  /** The value to differentiate; its sum where it is not a scalar. Default: the model's only output. */
  readonly loss?: string;
  /** Default 'all': every float initializer, or weight that is a constant, from which a gradient path leads to the loss. */
  readonly parameters?: 'all' | readonly string[];
  /** Whole shapes of inputs whose free dimensions are not to be chosen. */
  readonly inputShapes?: InputShapes;
}

export type InputShapes =
  ReadonlyMap<string, readonly number[]> | Readonly<Record<string, readonly number[]>>;

export interface AddedGradients {
  /** All outputs of the old model, the loss, and the gradients. Weights stay initializers. */
  readonly model: Model;
  readonly loss: string;
  readonly lossShape: readonly number[];
  /** Name of the output that is each parameter's gradient: `grad/<parameter>`. */
  readonly gradients: ReadonlyMap<string, string>;
  /** The model that was differentiated: of a newer operator set where a gradient needs one. */
  readonly source: Model;
  /** Sizes of the inputs in the trial runs. */
  readonly inputDims: ReadonlyMap<string, readonly number[]>;
  /** Inputs with free sizes beside the batch, which were chosen for the trial runs. */
  readonly chosen: readonly string[];
}

/**
 * @throws GraftError NO_GRADIENT_RULE listing every operator in the way, UNKNOWN_VALUE, or VERIFICATION_FAILED.
 * @example
 * const { model, gradients } = await addGradients(await readModel('net.onnx'), { loss: 'loss' });
 * await writeModel(model, 'net-with-gradients.onnx');
 */
export async function addGradients(
  original: Model,
  { parameters = 'all', inputShapes, ...options }: AddGradientsOptions = {},
): Promise<AddedGradients> {
  const settled = await settleBranches(inlineFunctions(dropInitializerInputs(writeOutSparse(original))));
  const graph = unrollLoops(settled.graph, settled.opsets.get('') ?? 17);
  const plain = liftConstants(
    graph === settled.graph ? settled : await settleBranches({ ...settled, graph }),
  );
  const loss = options.loss ?? onlyOutput(plain.graph);
  const wanted = new Map(inputShapes instanceof Map ? inputShapes : Object.entries(inputShapes ?? {}));
  const probed = await probeFreeShapes(plain, wanted);
  const { inputDims } = probed;
  const {
    source,
    shapes,
    graph: withGradients,
    gradients,
    gradientOf,
  } = await differentiateRaised(plain, probed, {
    loss,
    parameters,
  });
  const model: Model = { ...source, graph: withOutput(withGradients, source, loss) };
  await checkGradientShapes(model, gradientOf, { inputDims, shapes });
  const chosen = source.graph.inputs.filter(({ name, type }) => {
    const shape = type?.kind === 'tensor' ? type.shape : undefined;
    return !wanted.has(name) && shape?.slice(1).some((size) => typeof size !== 'number');
  });
  return {
    model,
    loss,
    lossShape: shapes.get(loss)!,
    gradients,
    source,
    inputDims,
    chosen: chosen.map(({ name }) => name),
  };
}

/**
 * Some gradients (of a gather, a reflected pad) need operators of set 16. A model of an older one is raised to it, if
 * need be and if it can.
 */
async function differentiateRaised(
  model: Model,
  { inputDims, shapes: known }: ProbedShapes,
  options: { readonly loss: string; readonly parameters: 'all' | readonly string[] },
): Promise<
  Differentiated & { readonly source: Model; readonly shapes: ReadonlyMap<string, readonly number[]> }
> {
  const attempt = (source: Model, shapes: ProbedShapes['shapes']) => ({
    source,
    shapes,
    ...differentiate(source, { ...options, shapes }),
  });
  try {
    return attempt(model, known);
  } catch (error) {
    const isOld = (model.opsets.get('') ?? addingOpset) < addingOpset;
    if (!isOld || !(error instanceof GraftError && error.code === 'NO_GRADIENT_RULE')) throw error;
    const raised = raiseOpset(model, addingOpset);
    return attempt(raised, await probeShapes(raised, { inputDims }));
  }
}

const addingOpset = 16;

function onlyOutput({ outputs }: Graph): string {
  if (outputs.length === 1) return outputs[0]!.name;
  const names = outputs.map(({ name }) => name).join(', ');
  throw new GraftError(
    'USAGE',
    `The model has ${outputs.length} outputs (${names}); say which is the loss with --loss.`,
  );
}

function withOutput(graph: Graph, model: Model, name: string): Graph {
  if (graph.outputs.some((output) => output.name === name)) return graph;
  return { ...graph, outputs: [...graph.outputs, ...describeValues(model.graph, [name])] };
}
