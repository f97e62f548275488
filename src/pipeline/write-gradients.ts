/** `graft gradient`: a model with its gradients as further outputs, and their check against finite differences. */
import { checkGradientShapes } from '../autodiff/check-gradient-shapes.js';
import { checkGradients, type GradientCheck } from '../autodiff/check-gradients.js';
import { type Differentiated, differentiate } from '../autodiff/differentiate.js';
import { reaching, tabulateRules } from '../autodiff/reachability.js';
import { rules } from '../autodiff/rules/index.js';
import { GraftError } from '../errors.js';
import { describeValues } from '../graph/cut-model.js';
import { dropInitializerInputs } from '../graph/drop-initializer-inputs.js';
import { raiseOpset } from '../graph/opset/raise-opset.js';
import { nearNames } from '../graph/near-names.js';
import type { Logger } from '../logger.js';
import type { Dimension, Graph, Model } from '../onnx/ir.js';
import { readModel } from '../onnx/read-model.js';
import { writeModel } from '../onnx/write-model.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import { probeFreeShapes } from '../runtime/probe-sizes.js';
import { formatShape, sizeOf } from '../tensor/shape.js';

export interface GradientOptions {
  /** Path of the ONNX file. */
  readonly model: string;
  /** The value to differentiate; its sum where it is not a scalar. Default: the model's only output. */
  readonly loss?: string;
  /** Values, or 'all': every float initializer from which a gradient path leads to the loss. */
  readonly wrt?: 'all' | readonly string[];
  /** Where to write the model; nothing is written without it. */
  readonly out?: string;
  /** Whole shapes of inputs whose free dimensions are not to be chosen. */
  readonly inputShapes?: ReadonlyMap<string, readonly number[]>;
  /** Compare with central differences in float64. */
  readonly check?: boolean;
  /** Most elements of each parameter that are compared. */
  readonly samples?: number;
  readonly seed?: number;
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
  readonly model?: string;
  readonly check?: readonly GradientCheck[];
}

/**
 * Adds an output `grad/<name>` for each of `wrt`; all other outputs stay, and the loss becomes one. Weights stay
 * initializers.
 * @throws GraftError NO_GRADIENT_RULE listing every operator in the way, UNKNOWN_VALUE, or VERIFICATION_FAILED.
 */
export async function writeGradients(
  {
    model: path,
    wrt = 'all',
    out,
    inputShapes,
    check = false,
    samples = 8,
    seed = 1,
    ...options
  }: GradientOptions,
  { logger }: { readonly logger?: Logger } = {},
): Promise<GradientReport> {
  const file = dropInitializerInputs(await readModel(path));
  const loss = options.loss ?? onlyOutput(file.graph, path);
  assertKnown(file.graph, [loss], path);
  const parameters = wrt === 'all' ? reachingInitializers(file.graph, loss) : wrt;
  assertKnown(file.graph, parameters, path);
  const { inputDims } = await probeFreeShapes(file, inputShapes);
  const { source, shapes, graph, gradients, gradientOf } = await differentiateRaised(file, {
    loss,
    parameters,
    inputDims,
  });
  const model: Model = { ...source, graph: withOutput(graph, source, loss) };
  await checkGradientShapes(model, gradientOf, inputDims);
  const lossShape = shapes.get(loss)!;
  const isSummed = sizeOf(lossShape) !== 1;
  if (isSummed) logger?.info(`The loss "${loss}" is ${formatShape(lossShape)}; its sum is differentiated.`);
  const checks = check
    ? await checkGradients(source, { loss, parameters, inputDims, samples, seed })
    : undefined;
  if (out !== undefined) await writeModel(model, out);
  return {
    loss,
    lossShape,
    isSummed,
    gradients: [...gradients].map(([name, output]) => ({
      name,
      output,
      shape: declaredShape(graph, output),
    })),
    ...(out !== undefined && { model: out }),
    ...(checks && { check: checks }),
  };
}

/**
 * Some gradients (of a gather, a reflected pad) need operators of set 16. A model of an older one is raised to it, if
 * need be and if it can.
 */
async function differentiateRaised(
  model: Model,
  {
    inputDims,
    ...options
  }: {
    readonly loss: string;
    readonly parameters: readonly string[];
    readonly inputDims: ReadonlyMap<string, readonly number[]>;
  },
): Promise<
  Differentiated & { readonly source: Model; readonly shapes: ReadonlyMap<string, readonly number[]> }
> {
  const attempt = async (source: Model) => {
    const shapes = await probeShapes(source, { inputDims });
    return { source, shapes, ...differentiate(source, { ...options, shapes }) };
  };
  try {
    return await attempt(model);
  } catch (error) {
    const isOld = (model.opsets.get('') ?? addingOpset) < addingOpset;
    if (!isOld || !(error instanceof GraftError && error.code === 'NO_GRADIENT_RULE')) throw error;
    return await attempt(raiseOpset(model, addingOpset));
  }
}

const addingOpset = 16;

function onlyOutput({ outputs }: Graph, path: string): string {
  if (outputs.length === 1) return outputs[0]!.name;
  const names = outputs.map(({ name }) => name).join(', ');
  throw new GraftError(
    'USAGE',
    `${path} has ${outputs.length} outputs (${names}); say which is the loss with --loss.`,
  );
}

function reachingInitializers(graph: Graph, loss: string): string[] {
  const floats = [...graph.initializers].filter(([, { dtype }]) => /^float(16|32|64)$/.test(dtype));
  const found = reaching(graph, floats.map(([name]) => name), [loss], tabulateRules(rules)); // prettier-ignore
  if (found.length > 0) return found;
  throw new GraftError(
    'NO_GRADIENT_RULE',
    `No gradient of "${loss}" reaches any float initializer of the model.`,
  );
}

function assertKnown(graph: Graph, names: readonly string[], path: string): void {
  const known = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  for (const { outputs } of graph.nodes) for (const output of outputs) if (output !== '') known.add(output);
  for (const name of names) {
    if (known.has(name)) continue;
    throw new GraftError(
      'UNKNOWN_VALUE',
      `${path} holds no value "${name}". Near it: ${nearNames(name, known).join(', ')}.`,
    );
  }
}

function withOutput(graph: Graph, model: Model, name: string): Graph {
  if (graph.outputs.some((output) => output.name === name)) return graph;
  return { ...graph, outputs: [...graph.outputs, ...describeValues(model.graph, [name])] };
}

function declaredShape({ outputs }: Graph, name: string): readonly Dimension[] {
  const type = outputs.find((output) => output.name === name)?.type;
  return type?.kind === 'tensor' ? (type.shape ?? []) : [];
}
