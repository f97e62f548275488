/**
 * The graph behind an exact step: from features, parameters and targets to objectives and gradients.
 *
 * The objective is Σ loss + ½ Σ penalty · w². Of a convex head the weights w may be made of others, w = (I + P C R) v: parameters
 * and gradients are then those of v.
 */
import { buildHead } from '../heads/build-head.js';
import type { Head, HeadSpec } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import type { Precision } from '../tasks/loss-tape.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { appendMixing, appendMixingGradient, type MixedWeights } from './append-mixing.js';
import { appendPenalty, type PenaltyTerms } from './append-penalty.js';
import { appendSummedLoss, type SummedLoss } from './append-summed-loss.js';
import { feedTransposed } from './feed-transposed.js';
import { replicatedDims } from './parameter-layout.js';
import type { Mixing } from './weight-basis.js';
import { buildGradientGraph, trainingOpset } from './gradient-graph.js';

export interface ExactGraphOptions {
  readonly spec: HeadSpec;
  readonly task: TaskKind;
  readonly dim: number;
  /** Classes, labels, or numbers that are predicted. */
  readonly outputCount: number;
  /** Of what follows the logits; `float64` with `isAnchored`. */
  readonly precision: Precision;
  readonly loss?: LossSpec | undefined;
  readonly classWeights?: Float32Array | undefined;
  readonly targetScale?: Float64Array | undefined;
  readonly hasFolds: boolean;
  /** The parameters are differences from an anchor, float32, and so are the gradients. */
  readonly isAnchored: boolean;
  /** Whether logits, slopes and weights are outputs too. */
  readonly keepsLogits: boolean;
  /** Whether the gradient by the weights themselves is an output. */
  readonly measuresSize: boolean;
}

export interface ExactGraph {
  readonly model: Model;
  /** Names of inputs; the parameters go by their own, `targets` is float32 [batch, outputs], one-hot of labels. */
  readonly inputs: {
    readonly features: string;
    /** Features once more, [dim, batch], where the gradient reads them so. */
    readonly transposed: string | undefined;
    readonly targets: string;
    readonly fold: string;
    readonly heldOut: string;
    /** Of an anchored graph: float64 [batch, logits], at the anchor. */
    readonly anchorLogits: string;
    readonly anchorSlopes: string;
    /** Of each penalised parameter, of its shape; of an anchored graph, float64: where it is at the anchor. */
    readonly penalties: ReadonlyMap<string, string>;
    readonly anchorWeights: ReadonlyMap<string, string>;
    /** Where weights are mixed. */
    readonly mixing: Readonly<Record<keyof Mixing, string>> | undefined;
  };
  readonly outputs: {
    /** float64 [replicas] */
    readonly sums: string;
    readonly gradients: ReadonlyMap<string, string>;
    /** The gradient by the weights themselves, where they are mixed of others and it is asked for. */
    readonly byWeights: string | undefined;
    /** The weights themselves, by parameter; only of those that are mixed. */
    readonly weights: ReadonlyMap<string, string>;
    /** [batch, logits], and the gradient of the losses by them. */
    readonly logits: string;
    readonly slopes: string;
  };
}

type PlainInputs = Omit<ExactGraph['inputs'], 'transposed' | 'penalties' | 'anchorWeights' | 'mixing'>;

export async function buildExactGraph(options: ExactGraphOptions): Promise<ExactGraph> {
  const { spec, dim, outputCount, precision, isAnchored } = options;
  const head = buildHead(spec, { dim, outputCount, task: options.task });
  const builder = new GraphBuilder({ opset: trainingOpset });
  const inputs: PlainInputs = {
    features: builder.input('features', 'float32', ['batch', dim]),
    targets: builder.input('targets', 'float32', ['batch', outputCount]),
    fold: 'fold',
    heldOut: 'held_out',
    anchorLogits: 'anchor/logits',
    anchorSlopes: 'anchor/slopes',
  };
  const forward = appendForward(builder, options, head, inputs);
  const { values, mixing, logits } = forward;
  const { sums, slopes, penalties } = appendObjective(builder, options, head, { inputs, logits, values });
  builder.output(sums, 'float64', ['replicas']);
  if (options.keepsLogits) {
    for (const value of [logits, slopes]) builder.output(value, precision, ['batch', 'logits']);
    if (mixing) builder.output(mixing.value, precision, [dim, 'columns']);
  }
  const excess = (): string => builder.op('Sub', [slopes, inputs.anchorSlopes], { name: 'anchor/excess' });
  const ofLoss = await buildGradientGraph(builder, {
    logits: forward.headLogits,
    dLogits: isAnchored ? cast(builder, excess(), 'float32', 'excess') : slopes,
    parameters: [...values.values()],
    inputDims: probeDims(options, head, { inputs, penalties, mixing }),
  });
  const { rest, gradients, byWeights } = objectiveGradients(options, head, {
    values,
    ofLoss: ofLoss.gradients,
    penalties,
    mixing,
  });
  const model = withGradients(ofLoss.model, rest, new Set(ofLoss.gradients.values()));
  const turned = feedTransposed(model, inputs.features);
  return {
    model: turned?.model ?? model,
    inputs: {
      ...inputs,
      transposed: turned?.transposed,
      penalties: new Map([...penalties].map(([name, { input }]) => [name, input])),
      anchorWeights: new Map(
        [...penalties].flatMap(([name, { anchor }]) => (anchor === undefined ? [] : [[name, anchor]])),
      ),
      mixing,
    },
    outputs: {
      ...{ sums, gradients, byWeights, logits, slopes },
      weights: new Map(mixing ? [[head.penalized[0]!, mixing.value]] : []),
    },
  };
}

/** From features and parameters to logits; with an anchor these are its own and what the parameters add to them. */
function appendForward(
  builder: GraphBuilder,
  { dim, precision, isAnchored }: ExactGraphOptions,
  head: Head,
  inputs: PlainInputs,
): {
  /** Of each parameter, the value in the graph. */
  readonly values: ReadonlyMap<string, string>;
  readonly mixing: MixedWeights | undefined;
  /** What the head itself makes of the features. */
  readonly headLogits: string;
  readonly logits: string;
} {
  const products: Precision = isAnchored ? 'float32' : precision;
  for (const [name, dims] of head.parameters) {
    builder.input(name, products, replicatedDims(dims));
  }
  const values = new Map([...head.parameters.keys()].map((name) => [name, name]));
  const [mixed] = head.isConvex ? head.penalized : [];
  const mixing = mixed === undefined ? undefined : appendMixing(builder, mixed, dim, products);
  if (mixing) values.set(mixed!, mixing.value);
  const headLogits = head.append(
    builder,
    isAnchored ? inputs.features : widened(builder, inputs.features, precision, 'features64'),
    values,
    { precision: products },
  );
  if (!isAnchored) return { values, mixing, headLogits, logits: headLogits };
  builder.input(inputs.anchorLogits, 'float64', ['batch', 'logits']);
  builder.input(inputs.anchorSlopes, 'float64', ['batch', 'logits']);
  const difference = cast(builder, headLogits, 'float64', 'difference');
  const logits = builder.op('Add', [inputs.anchorLogits, difference], { name: 'anchor/sum' });
  return { values, mixing, headLogits, logits };
}

/** Σ loss + ½ Σ penalty · w² of each replica. */
function appendObjective(
  builder: GraphBuilder,
  options: ExactGraphOptions,
  head: Head,
  {
    inputs,
    logits,
    values,
  }: {
    readonly inputs: PlainInputs;
    readonly logits: string;
    readonly values: ReadonlyMap<string, string>;
  },
): SummedLoss & { readonly penalties: ReadonlyMap<string, PenaltyTerms> } {
  const { outputCount, precision, classWeights, targetScale, isAnchored, hasFolds, loss = {} } = options;
  const target = widened(builder, inputs.targets, precision, 'targets64');
  const summed = appendSummedLoss(
    builder,
    taskOf(options.task),
    { logits, target, outputCount, precision, loss, classWeights, targetScale },
    hasFolds ? { ofExample: inputs.fold, heldOut: inputs.heldOut } : undefined,
  );
  let { sums } = summed;
  const penalties = new Map<string, PenaltyTerms>();
  for (const name of head.penalized) {
    const parameter = { name, dims: head.parameters.get(name)!, value: values.get(name)! };
    const terms = appendPenalty(builder, parameter, { precision, isAnchored, hasReplicas: hasFolds });
    penalties.set(name, terms);
    sums = builder.op('Add', [sums, terms.energy], { name: `objective/${name}` });
  }
  return { sums, slopes: summed.slopes, penalties };
}

function cast(builder: GraphBuilder, value: string, to: Precision, name: string): string {
  return builder.op('Cast', [value], { name, attributes: { to: dtypeInfo(to).code } });
}

/** From float32 to the given precision. */
function widened(builder: GraphBuilder, value: string, precision: Precision, name: string): string {
  return precision === 'float32' ? value : cast(builder, value, precision, name);
}

/** The gradients of `rest`, which reads those of the losses alone, in their place. */
function withGradients(model: Model, rest: GraphBuilder, ofLosses: ReadonlySet<string>): Model {
  const { graph } = model;
  return {
    ...model,
    graph: {
      ...graph,
      nodes: [...graph.nodes, ...rest.nodes],
      outputs: [...graph.outputs.filter(({ name }) => !ofLosses.has(name)), ...rest.outputs],
    },
  };
}

/** Small real sizes of the inputs, for a probe run. */
function probeDims(
  { task, dim, outputCount, hasFolds, isAnchored }: ExactGraphOptions,
  head: Head,
  {
    inputs,
    penalties,
    mixing,
  }: {
    readonly inputs: PlainInputs;
    readonly penalties: ReadonlyMap<string, PenaltyTerms>;
    readonly mixing: MixedWeights | undefined;
  },
): ReadonlyMap<string, readonly number[]> {
  const dims = new Map<string, readonly number[]>([
    [inputs.features, [2, dim]],
    [inputs.targets, [2, outputCount]],
    ...head.parameters,
  ]);
  if (hasFolds) dims.set(inputs.fold, [2]).set(inputs.heldOut, [1]);
  for (const [name, { input, anchor }] of penalties) {
    dims.set(input, head.parameters.get(name)!);
    if (anchor !== undefined) dims.set(anchor, head.parameters.get(name)!);
  }
  if (mixing) dims.set(mixing.spread, [dim, 2]).set(mixing.inner, [2, 2]).set(mixing.gather, [2, dim]);
  if (isAnchored) {
    const { logits } = taskOf(task).readout(outputCount);
    dims.set(inputs.anchorLogits, [2, logits]).set(inputs.anchorSlopes, [2, logits]);
  }
  return dims;
}

/** From the gradient of the losses to that of the objective, and by what the weights are mixed of. */
function objectiveGradients(
  { dim, precision, isAnchored, measuresSize }: ExactGraphOptions,
  head: Head,
  {
    values,
    ofLoss,
    penalties,
    mixing,
  }: {
    /** Of each parameter, the value in the graph. */
    readonly values: ReadonlyMap<string, string>;
    /** By value. */
    readonly ofLoss: ReadonlyMap<string, string>;
    readonly penalties: ReadonlyMap<string, PenaltyTerms>;
    readonly mixing: MixedWeights | undefined;
  },
): { rest: GraphBuilder; gradients: Map<string, string>; byWeights: string | undefined } {
  const type: Precision = isAnchored ? 'float32' : precision;
  const rest = new GraphBuilder({ opset: trainingOpset });
  let byWeights: string | undefined;
  const gradients = new Map<string, string>();
  for (const [name, value] of values) {
    let gradient = ofLoss.get(value)!;
    const pull = penalties.get(name)?.pull;
    if (pull !== undefined) gradient = rest.op('Add', [gradient, pull], { name: `objective/grad/${name}` });
    if (value === mixing?.value) {
      if (measuresSize) byWeights = rest.output(gradient, type, [dim, null]);
      gradient = appendMixingGradient(rest, gradient, mixing);
    }
    gradients.set(name, rest.output(gradient, type, [...replicatedDims(head.parameters.get(name)!)]));
  }
  return { rest, gradients, byWeights };
}
