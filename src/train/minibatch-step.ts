/**
 * The step of AdamW and SGD as an ONNX graph: rows of the training part in, gradients of their mean loss out.
 *
 *   X = features[rows]    P = softmax(head(X))    dLogits = (P - T) · scale    scale = 1 / rows
 *
 * The rows are gathered inside the graph, in parallel; every output is written into memory that is allocated once.
 */
import { type HeadSpec, headKind } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import type { TensorMap } from '../runtime/session.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { FeatureSet } from './feature-set.js';
import { buildGradientGraph, trainingOpset } from './gradient-graph.js';

export interface MinibatchStep {
  /** Gradient of the mean loss by each parameter, as the last `run` left it. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /**
   * @param rows - indices into the training part
   * @param probabilities - takes what the weights predicted for them, [rows, classes]
   */
  run(rows: Int32Array, probabilities: Float32Array): Promise<void>;
  release(): Promise<void>;
}

export interface MinibatchStepOptions {
  readonly spec: HeadSpec;
  readonly train: FeatureSet;
  /** Read on every run: the caller changes them in place. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Row c is the distribution that label c stands for, [classes, classes]. */
  readonly targets: Float32Array;
  /** Weight of the examples of each class, [classes]. */
  readonly classWeights?: Float32Array | undefined;
  readonly threads?: number | undefined;
}

export async function openMinibatchStep(options: MinibatchStepOptions): Promise<MinibatchStep> {
  const { spec, train, parameters } = options;
  const { dim, rows: rowCount } = train;
  const classCount = train.classes.length;
  const builder = new GraphBuilder({ opset: trainingOpset });
  const features = builder.input('features', 'float32', ['examples', dim]);
  const labels = builder.input('labels', 'int32', ['examples']);
  const rows = builder.input('rows', 'int32', ['batch']);
  const scale = builder.input('scale', 'float32', []);
  for (const [name, { dims }] of parameters) builder.input(name, 'float32', dims);
  const gather = (table: string, indices: string, name: string): string =>
    builder.op('Gather', [table, indices], { name, attributes: { axis: 0 } });

  const logits = headKind(spec).append(
    builder,
    gather(features, rows, 'batch/features'),
    new Map([...parameters.keys()].map((name) => [name, name])),
  );
  const label = gather(labels, rows, 'batch/labels');
  const table = builder.constant('targets', float32([classCount, classCount], options.targets));
  const target = gather(table, label, 'batch/targets');
  const softmax = builder.op('Softmax', [logits], { name: 'loss/softmax', attributes: { axis: 1 } });
  const excess = builder.op('Sub', [softmax, target], { name: 'loss/excess' });
  let weight = scale;
  if (options.classWeights) {
    const weights = builder.constant('class_weights', float32([classCount, 1], options.classWeights));
    weight = builder.op('Mul', [gather(weights, label, 'batch/weights'), scale], { name: 'loss/weight' });
  }
  const dLogits = builder.op('Mul', [excess, weight], { name: 'grad/logits' });
  const probabilities = builder.output(softmax, 'float32', ['batch', classCount], 'probabilities');
  const { model, gradients: gradientNames } = await buildGradientGraph(builder, {
    logits,
    dLogits,
    parameters: [...parameters.keys()],
    inputDims: new Map([
      [features, [2, dim]],
      [labels, [2]],
      [rows, [2]],
    ]),
  });
  const session = await openSession(
    encodeModel(model),
    options.threads === undefined ? {} : { threads: options.threads },
  );

  const gradients = new Map<string, Float32Array>();
  const into: Record<string, Tensor> = {};
  for (const [name, gradient] of gradientNames) {
    const { dims, data } = parameters.get(name)!;
    const memory = new Float32Array(data.length);
    gradients.set(name, memory);
    into[gradient] = float32(dims, memory);
  }
  const scaleValue = new Float32Array(1);
  const fixed: TensorMap = {
    [features]: float32([rowCount, dim], train.features),
    [labels]: { dtype: 'int32', dims: [rowCount], data: train.labels },
    [scale]: { dtype: 'float32', dims: [], data: scaleValue },
    ...Object.fromEntries(parameters),
  };
  return {
    gradients,
    async run(batch, predicted) {
      scaleValue[0] = 1 / batch.length;
      await session.run(
        { ...fixed, [rows]: { dtype: 'int32', dims: [batch.length], data: batch } },
        { ...into, [probabilities]: float32([batch.length, classCount], predicted) },
      );
    },
    release: () => session.release(),
  };
}
