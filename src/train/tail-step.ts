/**
 * The training step of a tail and its head as one ONNX graph: cached activations, targets and weights in; outputs and
 * gradients out. The tail's weights become inputs, so that a step feeds the newest ones without any copy.
 *
 *   activations [batch, A] → tail → features [batch, D] → (x - mean) / std → head → logits → outputs
 */
import { differentiate } from '../autodiff/differentiate.js';
import { convolutionsAsProducts } from '../autodiff/convolution-forms/convolutions-as-products.js';
import { GraftError } from '../errors.js';
import { namesOf } from '../graph/names-of.js';
import { removeUnused } from '../graph/remove-unused.js';
import { tensorsBehind } from '../graph/weight-operands.js';
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec, Standardization } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { toTensor } from '../onnx/initializer.js';
import { type Graph, type Model, tensorValue } from '../onnx/ir.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import type { Session, SessionOptions } from '../runtime/session.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { sizeOf } from '../tensor/shape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { activationSize, packTail, type Tail } from './tail.js';
import { tailWeights } from './tail-weights.js';

export interface TailGraph {
  readonly model: Model;
  /** The same up to the outputs, without targets and gradients: activations and weights → outputs. */
  readonly scorer: Model;
  readonly activations: string;
  /** [batch, outputs]: the mass of each class, or the numbers to be predicted. */
  readonly targets: string;
  /** What the task makes of the logits, [batch, outputs]: probabilities or numbers. */
  readonly outputs: string;
  /** Weights of the tail, nearest the cut first, as the model has them. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Input of each head parameter, by the names that `Head.parameters` gives. */
  readonly headInputs: ReadonlyMap<string, string>;
  /** Output with the gradient of each input that is a weight or head parameter, of the loss summed over the batch. */
  readonly gradients: ReadonlyMap<string, string>;
  /** Layers between a weight's node and the features: 0 for the last. For layer-wise decay of the learning rate. */
  readonly depthOf: ReadonlyMap<string, number>;
  /** Bytes that one example takes in a step, roughly: its values on the way forward, and as much for the way back. */
  readonly bytesPerExample: number;
  /** The same of what does not depend on the examples, such as other forms of the weights. */
  readonly fixedBytes: number;
}

export interface TailGraphOptions {
  readonly head: HeadSpec;
  readonly task: TaskKind;
  readonly outputCount: number;
  /** What features are scaled by between tail and head. */
  readonly scaling?: Standardization | undefined;
  readonly loss?: LossSpec | undefined;
  /** As the task's `balance` gives them. */
  readonly classWeights?: Float32Array | undefined;
  /** What targets that are numbers were divided by, [outputs]. */
  readonly targetScale?: Float64Array | undefined;
}

/** How to open sessions; the browser gives its own. */
export type OpenSession = (bytes: Uint8Array, options?: SessionOptions) => Promise<Session>;

/** @throws GraftError NO_GRADIENT_RULE, or UNSUPPORTED_MODEL where the tail has no weights. */
export async function buildTailGraph(tail: Tail, options: TailGraphOptions): Promise<TailGraph> {
  const { outputCount, loss = {}, classWeights, targetScale } = options;
  const { model, activations } = packTail(tail);
  const { graph } = model;
  const names = tailWeights(tail, graph);
  if (names.length === 0) {
    const isShared = tailWeights({ ...tail, frozenWeights: new Set() }, graph).length > 0;
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      (isShared
        ? 'The weights of the layers after the cut are read before it too (all blocks share them, as in ALBERT), so they stay as they are'
        : 'The layers after the cut have no weights to train') +
        '; unfreeze an earlier layer, or leave --unfreeze away.',
    );
  }
  const opset = model.opsets.get('') ?? 17;
  const taken = namesOf(graph);
  const builder = new GraphBuilder({ opset, taken: [...taken.values, ...taken.nodes] });
  const features = options.scaling ? appendScaling(builder, tail, options.scaling) : tail.output;
  const head = buildHead(options.head, { dim: tail.dim, outputCount, task: options.task });
  const headInputs = new Map(
    [...head.parameters].map(([name, dims]) => [name, builder.input(name, 'float32', dims)]),
  );
  const logits = head.append(builder, features, headInputs);
  const task = taskOf(options.task);
  const targets = builder.input('targets', 'float32', ['batch', outputCount]);
  const outputs = task.appendOutputs(builder, logits, 2, outputCount);
  const dLogits = task.appendBatchGradient(
    builder,
    { logits, target: targets, outputCount, loss, classWeights, targetScale },
    outputs,
  );

  const weights = new Map(names.map((name) => [name, toTensor(graph.initializers.get(name)!)]));
  const forward: Graph = {
    ...graph,
    nodes: [...graph.nodes, ...builder.nodes],
    inputs: [...graph.inputs, ...builder.inputs],
    initializers: new Map([...graph.initializers, ...builder.initializers]),
    outputs: [tensorValue(outputs, 'float32', ['batch', outputCount])],
  };
  const shapes = await probeShapes(
    { ...model, graph: forward },
    {
      inputDims: new Map([
        [activations, [probeRows, activationSize(tail)]],
        [targets, [probeRows, outputCount]],
        ...[...head.parameters].map(([name, dims]) => [headInputs.get(name)!, dims] as const),
      ]),
    },
  );
  const trained: Graph = {
    ...forward,
    inputs: [
      ...forward.inputs,
      ...[...weights].map(([name, { dims }]) => tensorValue(name, 'float32', dims)),
    ],
    initializers: new Map([...forward.initializers].filter(([name]) => !weights.has(name))),
  };
  const parameters = [...weights.keys(), ...headInputs.values()];
  const fast = convolutionsAsProducts(trained, shapes, opset);
  const differentiated = differentiate(fast.graph, {
    loss: logits,
    seed: dLogits,
    parameters,
    shapes: fast.shapes,
    opset,
  });
  const { perExample, fixed } = valuesOf(fast.graph, fast.shapes, new Set([activations, targets]));
  return {
    model: { ...model, graph: differentiated.graph },
    scorer: {
      ...model,
      graph: removeUnused({ ...trained, inputs: trained.inputs.filter(({ name }) => name !== targets) }),
    },
    activations,
    targets,
    outputs,
    weights,
    headInputs,
    gradients: new Map(parameters.map((name) => [name, differentiated.gradients.get(name)!])),
    depthOf: depths(graph, names, tail.output),
    bytesPerExample: 2 * Float32Array.BYTES_PER_ELEMENT * perExample,
    fixedBytes: 2 * Float32Array.BYTES_PER_ELEMENT * fixed,
  };
}

/** How many values the nodes give for each example, and for all together. @param inputs - of the examples */
function valuesOf(
  { nodes }: Graph,
  shapes: ReadonlyMap<string, readonly number[]>,
  inputs: ReadonlySet<string>,
): { perExample: number; fixed: number } {
  const ofExamples = new Set(inputs);
  let [perBatch, fixed] = [0, 0];
  for (const { inputs: operands, outputs } of nodes) {
    const isOfExamples = operands.some((name) => ofExamples.has(name));
    for (const name of outputs) {
      const size = sizeOf(shapes.get(name) ?? [0]);
      if (isOfExamples) {
        ofExamples.add(name);
        perBatch += size;
      } else fixed += size;
    }
  }
  return { perExample: perBatch / probeRows, fixed };
}

/** Two, since an axis of size 1 might be taken for one that broadcasts. */
const probeRows = 2;

function appendScaling(builder: GraphBuilder, tail: Tail, { mean, std }: Standardization): string {
  const row = (name: string, values: Iterable<number>): string =>
    builder.constant(`scaling/${name}`, float32([tail.dim], Float32Array.from(values)));
  const centred = builder.op('Sub', [tail.output, row('mean', mean)], { name: 'scaling/centred' });
  const factor = row(
    'factor',
    std.map((deviation) => 1 / deviation),
  );
  return builder.op('Mul', [centred, factor], { name: 'scaling/scaled' });
}

/** By how many weight-bearing nodes lie on the longest way from each weight's node to the output. */
function depths(graph: Graph, weights: readonly string[], output: string): Map<string, number> {
  const isWeight = new Set(weights);
  const behind = tensorsBehind(graph, graph.initializers);
  const below = new Map<string, number>([[output, 0]]);
  const depthOf = new Map<string, number>();
  for (const { inputs, outputs } of graph.nodes.toReversed()) {
    const known = outputs.map((name) => below.get(name)).filter((depth) => depth !== undefined);
    if (known.length === 0) continue;
    const depth = Math.max(...known);
    const own = inputs.flatMap(behind).filter((name) => isWeight.has(name));
    for (const name of own) depthOf.set(name, Math.max(depth, depthOf.get(name) ?? 0));
    const next = depth + (own.length > 0 ? 1 : 0);
    for (const name of inputs)
      if (behind(name).length === 0) below.set(name, Math.max(next, below.get(name) ?? 0));
  }
  return depthOf;
}
