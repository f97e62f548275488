/**
 * The graph behind an exact step: from features, parameters and targets to objectives and gradients.
 *
 * The objective is Σ loss + ½ Σ penalty · w². Of a convex head the weights w may be made of others, w = (I + P C R) v: parameters
 * and gradients are then those of v.
 */
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import type { Precision } from '../tasks/loss-tape.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { appendHoldOut } from './append-hold-out.js';
import { appendMixing, appendMixingGradient } from './append-mixing.js';
import { appendPenalty, type PenaltyTerms } from './append-penalty.js';
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

export async function buildExactGraph(options: ExactGraphOptions): Promise<ExactGraph> {
  const { spec, dim, outputCount, precision, loss = {}, classWeights, targetScale, isAnchored } = options;
  const task = taskOf(options.task);
  const head = buildHead(spec, { dim, outputCount, task: task.kind });
  const builder = new GraphBuilder({ opset: trainingOpset });
  const cast = (value: string, to: Precision, name: string): string =>
    builder.op('Cast', [value], { name, attributes: { to: dtypeInfo(to).code } });
  const widened = (value: string, name: string): string =>
    precision === 'float32' ? value : cast(value, precision, name);

  const inputs = {
    features: builder.input('features', 'float32', ['batch', dim]),
    targets: builder.input('targets', 'float32', ['batch', outputCount]),
    fold: 'fold',
    heldOut: 'held_out',
    anchorLogits: 'anchor/logits',
    anchorSlopes: 'anchor/slopes',
  };
  const products: Precision = isAnchored ? 'float32' : precision;
  for (const [name, dims] of head.parameters) {
    builder.input(name, products, replicatedDims(dims));
  }
  const values = new Map([...head.parameters.keys()].map((name) => [name, name]));
  const [mixed] = head.isConvex ? head.penalized : [];
  const mixing = mixed === undefined ? undefined : appendMixing(builder, mixed, dim, products);
  if (mixing) values.set(mixed!, mixing.value);
  const rawLogits = head.append(
    builder,
    isAnchored ? inputs.features : widened(inputs.features, 'features64'),
    values,
    { precision: products },
  );
  let logits = rawLogits;
  if (isAnchored) {
    builder.input(inputs.anchorLogits, 'float64', ['batch', 'logits']);
    builder.input(inputs.anchorSlopes, 'float64', ['batch', 'logits']);
    logits = builder.op('Add', [inputs.anchorLogits, cast(rawLogits, 'float64', 'difference')], {
      name: 'anchor/sum',
    });
  }
  // From here on an example is a row for each of its replicas: [batch · replicas, ..].
  const width = task.readout(outputCount).logits;
  let rows = logits;
  let target = widened(inputs.targets, 'targets64');
  const replicas = options.hasFolds
    ? builder.op('Shape', [builder.input(inputs.heldOut, 'int32', ['replicas'])], { name: 'replicas' })
    : undefined;
  if (replicas !== undefined) {
    rows = builder.op('Reshape', [logits, builder.ints([-1, width])], { name: 'loss/logits' });
    target = repeatRows(builder, target, replicas, outputCount);
  }
  let { losses, dLogits } = task.appendExactLoss(builder, {
    ...{ logits: rows, target, outputCount, precision, loss, classWeights, targetScale },
  });
  let slopes = dLogits;
  if (replicas !== undefined) {
    const ofExample = builder.input(inputs.fold, 'int32', ['batch']);
    ({ losses, dLogits } = appendHoldOut(
      builder,
      { losses, dLogits },
      { ofExample, heldOut: inputs.heldOut },
      { width, precision },
    ));
    const matrix = builder.op('Concat', [builder.ints([-1]), replicas], { attributes: { axis: 0 } });
    losses = builder.op('Reshape', [losses, matrix], { name: 'loss/by_replica' });
    slopes = builder.op('Reshape', [dLogits, builder.op('Shape', [logits])], { name: 'grad/logits' });
  }
  let sums = builder.op('ReduceSum', [losses, builder.ints([0])], {
    name: 'loss/sums',
    attributes: { keepdims: replicas === undefined ? 1 : 0 },
  });
  const penalties = new Map<string, PenaltyTerms>();
  for (const name of head.penalized) {
    const parameter = { name, dims: head.parameters.get(name)!, value: values.get(name)! };
    const terms = appendPenalty(builder, parameter, { precision, isAnchored, hasReplicas: options.hasFolds });
    penalties.set(name, terms);
    sums = builder.op('Add', [sums, terms.energy], { name: `objective/${name}` });
  }
  builder.output(sums, 'float64', ['replicas']);
  if (options.keepsLogits) {
    for (const value of [logits, slopes]) builder.output(value, precision, ['batch', 'logits']);
    if (mixing) builder.output(mixing.value, precision, [dim, 'columns']);
  }
  const seed = isAnchored
    ? cast(builder.op('Sub', [slopes, inputs.anchorSlopes], { name: 'anchor/excess' }), 'float32', 'excess')
    : slopes;
  const anchorWeights = new Map(
    [...penalties].flatMap(([name, { anchor }]) => (anchor === undefined ? [] : [[name, anchor] as const])),
  );
  const ofLoss = await buildGradientGraph(builder, {
    logits: rawLogits,
    dLogits: seed,
    parameters: [...values.values()],
    inputDims: new Map<string, readonly number[]>([
      [inputs.features, [2, dim]],
      [inputs.targets, [2, outputCount]],
      ...(options.hasFolds
        ? ([
            [inputs.fold, [2]],
            [inputs.heldOut, [1]],
          ] as const)
        : []),
      ...head.parameters,
      ...[...penalties].flatMap(([name, { input, anchor }]) =>
        [input, ...(anchor === undefined ? [] : [anchor])].map(
          (each) => [each, head.parameters.get(name)!] as const,
        ),
      ),
      ...(mixing
        ? ([
            [mixing.spread, [dim, 2]],
            [mixing.inner, [2, 2]],
            [mixing.gather, [2, dim]],
          ] as const)
        : []),
      ...(isAnchored
        ? ([inputs.anchorLogits, inputs.anchorSlopes] as const).map((name) => [name, [2, width]] as const)
        : []),
    ]),
  });
  // From the gradient of the losses to that of the objective, and by what the weights are mixed of.
  const rest = new GraphBuilder({ opset: trainingOpset });
  let byWeights: string | undefined;
  const gradients = new Map(
    [...values].map(([name, value]) => {
      let gradient = ofLoss.gradients.get(value)!;
      const pull = penalties.get(name)?.pull;
      if (pull !== undefined) gradient = rest.op('Add', [gradient, pull], { name: `objective/grad/${name}` });
      if (mixing && name === mixed) {
        if (options.measuresSize) byWeights = rest.output(gradient, products, [dim, null]);
        gradient = appendMixingGradient(rest, gradient, mixing);
      }
      return [name, rest.output(gradient, products, [...replicatedDims(head.parameters.get(name)!)])];
    }),
  );
  const { graph } = ofLoss.model;
  const replaced = new Set(ofLoss.gradients.values());
  const model = {
    ...ofLoss.model,
    graph: {
      ...graph,
      nodes: [...graph.nodes, ...rest.nodes],
      outputs: [...graph.outputs.filter(({ name }) => !replaced.has(name)), ...rest.outputs],
    },
  };
  const turned = feedTransposed(model, inputs.features);
  return {
    model: turned?.model ?? model,
    inputs: {
      ...inputs,
      transposed: turned?.transposed,
      penalties: new Map([...penalties].map(([name, { input }]) => [name, input])),
      anchorWeights,
      mixing,
    },
    outputs: {
      ...{ sums, gradients, byWeights, logits, slopes },
      weights: new Map(mixing ? [[mixed!, mixing.value]] : []),
    },
  };
}

/** [rows, columns] → [rows · replicas, columns], each row `replicas` times. */
function repeatRows(builder: GraphBuilder, value: string, replicas: string, columns: number): string {
  const op = (opType: string, inputs: readonly string[], name: string): string =>
    builder.op(opType, inputs, { name: `loss/targets/${name}` });
  const one = builder.ints([1]);
  const shape = builder.op('Concat', [one, replicas, one], { attributes: { axis: 0 } });
  const repeated = op('Expand', [op('Unsqueeze', [value, one], 'apart'), shape], 'repeated');
  return op('Reshape', [repeated, builder.ints([-1, columns])], 'rows');
}
