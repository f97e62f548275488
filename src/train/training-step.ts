/** The training step as an ONNX graph: features, targets and parameters in; loss, logits and gradients out. */
import { differentiate } from '../autodiff/differentiate.js';
import { type HeadShape, type HeadSpec, headKind } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import type { Session } from '../runtime/session.js';
import { float32, type Tensor } from '../tensor/tensor.js';

export interface StepResult {
  /** Sum of the softmax cross-entropies of the rows. */
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

export interface TrainingStep {
  /** @param features - [rows, dim]; @param targets - [rows, classes], each row adding up to 1 */
  gradients(
    features: Float32Array,
    targets: Float32Array,
    parameters: ReadonlyMap<string, Tensor>,
  ): Promise<StepResult>;
  /** [rows, classes] */
  logits(features: Float32Array, parameters: ReadonlyMap<string, Tensor>): Promise<Float32Array>;
  release(): Promise<void>;
}

const opset = 17;

/**
 * The loss is written with basic operators so that every provider runs it and `differentiate` has rules for it:
 * -Σ targets · log softmax(logits).
 */
export async function openTrainingStep(
  spec: HeadSpec,
  shape: HeadShape,
  threads?: number,
): Promise<TrainingStep> {
  const { dim, classCount } = shape;
  const parameterShapes = headKind(spec).parameters(shape);
  const forward = buildForward(spec, shape);
  const { builder, features, logits } = forward;
  const targets = builder.input('targets', 'float32', ['batch', classCount]);
  const logProbabilities = builder.op('LogSoftmax', [logits], {
    name: 'loss/log_softmax',
    attributes: { axis: 1 },
  });
  const picked = builder.op('Mul', [targets, logProbabilities], { name: 'loss/picked' });
  const total = builder.op('ReduceSum', [picked], { name: 'loss/sum', attributes: { keepdims: 0 } });
  const loss = builder.op('Neg', [total], { name: 'loss' });
  builder.output(loss, 'float32', []);
  const rows = 2;
  const shapes = new Map<string, readonly number[]>([
    [features, [rows, dim]],
    [loss, []],
    [total, []],
    ...parameterShapes,
    ...[targets, logProbabilities, picked, logits, ...forward.intermediate].map(
      (name) => [name, [rows, classCount]] as const,
    ),
  ]);
  const { graph, gradients } = differentiate(builder.graph(), {
    loss,
    parameters: [...parameterShapes.keys()],
    shapes,
    opset,
  });
  const options = threads ? { threads } : {};
  const step: Session = await openSession(encodeModel(builder.model({ graph })), options);
  const scorer = buildForward(spec, shape);
  scorer.builder.output(scorer.logits, 'float32', ['batch', classCount]);
  const score: Session = await openSession(encodeModel(scorer.builder.model()), options);
  return {
    async gradients(x, y, parameters) {
      const feeds = {
        [features]: float32([x.length / dim, dim], x),
        [targets]: float32([y.length / classCount, classCount], y),
        ...Object.fromEntries(parameters),
      };
      const outputs = await step.run(feeds);
      return {
        loss: Number(outputs[loss]!.data[0]),
        gradients: new Map(
          [...gradients].map(([name, gradient]) => [name, outputs[gradient]!.data as Float32Array]),
        ),
      };
    },
    async logits(x, parameters) {
      const feeds = {
        [scorer.features]: float32([x.length / dim, dim], x),
        ...Object.fromEntries(parameters),
      };
      return (await score.run(feeds))[scorer.logits]!.data as Float32Array;
    },
    async release() {
      await step.release();
      await score.release();
    },
  };
}

function buildForward(spec: HeadSpec, shape: HeadShape) {
  const builder = new GraphBuilder({ opset });
  const features = builder.input('features', 'float32', ['batch', shape.dim]);
  const kind = headKind(spec);
  const parameters = new Map<string, string>();
  for (const [name, dims] of kind.parameters(shape))
    parameters.set(name, builder.input(name, 'float32', dims));
  const logits = kind.append(builder, features, parameters);
  const intermediate = builder.nodes.flatMap(({ outputs }) => outputs);
  return { builder, features, logits, intermediate };
}
