/**
 * The sum of all losses and its gradient as an ONNX graph, exact enough to converge on: for L-BFGS.
 *
 * Several replicas of a head may stand side by side in the columns of its last layer; they share one pass over the
 * features. With z the logits, p = softmax(z), t the one-hot target, s = Σ p over the wrong classes, w the weight:
 *
 *   loss = -w log(1 - s)  where s < ½,  else  -w log p_true
 *   dz   = w (p over the wrong classes, -s at the true one)
 *
 * Written so, both keep their relative accuracy where the model is nearly sure: 1 - p in float32 would not, and a
 * separable problem could not be brought to its optimum. The sums of the losses are float64. Even so, rounded matrix
 * products leave float32 about a millionth away from the optimum of a hard problem; in float64 a run takes about three
 * times as long and has no such floor.
 */
import { type HeadSpec, headKind } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { checked, type Tensor } from '../tensor/tensor.js';
import type { FeatureSet } from './feature-set.js';
import { buildGradientGraph, trainingOpset } from './gradient-graph.js';

/** Rows a run: bounds the memory of the logits, and the length of float32 sums. */
const chunkRows = 8192;

export type Precision = 'float32' | 'float64';

export interface ExactStepOptions {
  readonly spec: HeadSpec;
  readonly train: FeatureSet;
  /** Of the parameters and of everything computed; the features are float32. */
  readonly precision?: Precision;
  /** Row c is the distribution that label c stands for, [classes, classes]; one-hot unless given. */
  readonly targets?: Float32Array | undefined;
  /** Weight of the examples of each class, [classes]. */
  readonly classWeights?: Float32Array | undefined;
  /** Fold of each example, for replicas that each leave one fold out. */
  readonly folds?: Int32Array | undefined;
  readonly threads?: number | undefined;
}

export interface ExactResult {
  /** Sum of the losses of each replica. */
  readonly losses: Float64Array;
  /** Gradient of that sum by each parameter; float64 sums over runs of float32. */
  readonly gradients: ReadonlyMap<string, Float64Array>;
}

export interface ExactStep {
  readonly precision: Precision;
  /**
   * @param parameters - of all replicas, side by side in the last axis
   * @param heldOut - the fold that each replica leaves out; needed where there are folds
   */
  evaluate(parameters: ReadonlyMap<string, Tensor>, heldOut?: Int32Array): Promise<ExactResult>;
  release(): Promise<void>;
}

export async function openExactStep(options: ExactStepOptions): Promise<ExactStep> {
  const { spec, train, folds, precision = 'float32' } = options;
  const { dim, rows } = train;
  const classCount = train.classes.length;
  const builder = new GraphBuilder({ opset: trainingOpset });
  const features = builder.input('features', 'float32', ['batch', dim]);
  const labels = builder.input('labels', 'int32', ['batch']);
  const parameterDims = headKind(spec).parameters({ dim, classCount });
  for (const [name, dims] of parameterDims) {
    builder.input(name, precision, [...dims.slice(0, -1), `${name}/columns`]);
  }
  const names = [...parameterDims.keys()];
  const operand =
    precision === 'float32'
      ? features
      : builder.op('Cast', [features], { name: 'features64', attributes: { to: dtypeInfo(precision).code } });
  const logits = headKind(spec).append(builder, operand, new Map(names.map((name) => [name, name])));
  const fold = folds && {
    ofExample: builder.input('fold', 'int32', ['batch']),
    heldOut: builder.input('held_out', 'int32', ['replicas']),
  };
  const loss = appendLoss(builder, { logits, labels, classCount, fold, precision, options });
  builder.output(loss.sums, 'float64', ['replicas', 1]);
  const { model, gradients } = await buildGradientGraph(builder, {
    logits,
    dLogits: loss.dLogits,
    parameters: names,
    inputDims: new Map<string, readonly number[]>([
      [features, [2, dim]],
      [labels, [2]],
      ...(fold ? ([[fold.ofExample, [2]]] as const) : []),
      ...parameterDims,
    ]),
  });
  const session = await openSession(
    encodeModel(model),
    options.threads === undefined ? {} : { threads: options.threads },
  );
  return {
    precision,
    async evaluate(parameters, heldOut) {
      let losses: Float64Array | undefined;
      const sums = new Map<string, Float64Array>();
      for (let row = 0; row < rows; row += chunkRows) {
        const end = Math.min(rows, row + chunkRows);
        const outputs = await session.run({
          [features]: checked('float32', [end - row, dim], train.features.subarray(row * dim, end * dim)),
          [labels]: { dtype: 'int32', dims: [end - row], data: train.labels.subarray(row, end) },
          ...(fold && {
            [fold.ofExample]: { dtype: 'int32', dims: [end - row], data: folds.subarray(row, end) },
            [fold.heldOut]: { dtype: 'int32', dims: [heldOut!.length], data: heldOut! },
          }),
          ...Object.fromEntries(parameters),
        });
        losses = added(losses, outputs[loss.sums]!.data as Float64Array);
        for (const [name, gradient] of gradients) {
          sums.set(name, added(sums.get(name), outputs[gradient]!.data as Float32Array | Float64Array));
        }
      }
      return { losses: losses!, gradients: sums };
    },
    release: () => session.release(),
  };
}

interface LossInput {
  readonly logits: string;
  readonly labels: string;
  readonly classCount: number;
  readonly fold: { readonly ofExample: string; readonly heldOut: string } | undefined;
  readonly precision: Precision;
  readonly options: ExactStepOptions;
}

/** Sums [replicas, 1] float64, and the gradient of the logits, of their shape. */
function appendLoss(
  builder: GraphBuilder,
  { logits, labels, classCount, fold, precision, options }: LossInput,
) {
  const { code, array } = dtypeInfo(precision);
  const constant = (name: string, dims: readonly number[], values: ArrayLike<number>): string =>
    builder.constant(name, checked(precision, dims, (array as typeof Float64Array).from(values)));
  const op = (
    opType: string,
    inputs: readonly string[],
    name: string,
    attributes: Readonly<Record<string, number>> = {},
  ): string => builder.op(opType, inputs, { name: `loss/${name}`, attributes });
  const sumClasses = (value: string, name: string): string =>
    op('ReduceSum', [value, builder.ints([2])], name, { keepdims: 1 });
  const toFloat64 = (value: string, name: string): string => op('Cast', [value], name, { to: 11 });

  // [batch, replicas, classes]; labels and targets have one replica, which is broadcast.
  const z = op('Reshape', [logits, builder.ints([0, -1, classCount])], 'logits');
  const classes = builder.constant('classes', {
    dtype: 'int32',
    dims: [classCount],
    data: Int32Array.from({ length: classCount }, (_, i) => i),
  });
  const label = op('Unsqueeze', [labels, builder.ints([1, 2])], 'label');
  const isTrue = op('Cast', [op('Equal', [label, classes], 'is_true')], 'one_hot', { to: code });
  const isWrong = op('Sub', [constant('one', [], [1]), isTrue], 'is_wrong');
  const logP = op('LogSoftmax', [z], 'log_softmax', { axis: 2 });
  const wrong = op('Mul', [isWrong, op('Exp', [logP], 'p')], 'p_wrong');
  const sure = sumClasses(wrong, 'p_wrong_sum');
  let dZ = op('Sub', [wrong, op('Mul', [isTrue, sure], 'p_excess')], 'dz');
  const one = builder.constant('one64', checked('float64', [], Float64Array.of(1)));
  const exact = op('Log', [op('Sub', [one, toFloat64(sure, 's64')], 'p_true64')], 'log_exact');
  const plain = toFloat64(sumClasses(op('Mul', [isTrue, logP], 'log_p_masked'), 'log_p'), 'log_plain');
  const isSure = op('Less', [sure, constant('half', [], [0.5])], 'is_sure');
  let loss = op('Neg', [op('Where', [isSure, exact, plain], 'log_p_true')], 'loss');

  if (options.targets) {
    // loss = -Σ t log p for a soft target t: the one-hot loss plus Σ (one-hot - t) log p.
    const table = constant('targets', [classCount, 1, classCount], options.targets);
    const target = op('Gather', [table, labels], 'target', { axis: 0 });
    const shift = op('Sub', [isTrue, target], 'shift');
    loss = op(
      'Add',
      [loss, toFloat64(sumClasses(op('Mul', [shift, logP], 'shifted'), 'extra'), 'extra64')],
      'soft',
    );
    dZ = op('Add', [dZ, shift], 'dz_soft');
  }
  let weight: string | undefined;
  if (options.classWeights) {
    const weights = constant('class_weights', [classCount, 1, 1], options.classWeights);
    weight = op('Gather', [weights, labels], 'class_weight', { axis: 0 });
  }
  if (fold) {
    const ofExample = op('Unsqueeze', [fold.ofExample, builder.ints([1, 2])], 'fold');
    const heldOut = op('Unsqueeze', [fold.heldOut, builder.ints([1])], 'held_out_fold');
    const isKept = op('Not', [op('Equal', [ofExample, heldOut], 'is_held_out')], 'is_kept');
    const kept = op('Cast', [isKept], 'kept', { to: code });
    weight = weight === undefined ? kept : op('Mul', [weight, kept], 'weight');
  }
  if (weight !== undefined) {
    loss = op('Mul', [loss, toFloat64(weight, 'weight64')], 'weighted');
    dZ = op('Mul', [dZ, weight], 'dz_weighted');
  }
  return {
    sums: op('ReduceSum', [loss, builder.ints([0])], 'sums', { keepdims: 0 }),
    dLogits: builder.op('Reshape', [dZ, builder.ints([0, -1])], { name: 'grad/logits' }),
  };
}

function added(sum: Float64Array | undefined, part: ArrayLike<number>): Float64Array {
  if (!sum) return Float64Array.from(part);
  for (let i = 0; i < sum.length; i++) sum[i]! += part[i]!;
  return sum;
}
