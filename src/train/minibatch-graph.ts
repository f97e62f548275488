/**
 * The graph behind a step of AdamW or SGD: from rows of the training part to what is predicted for them and the gradients of
 * their mean loss.
 *
 *   dLogits = gradient of the task's loss by the logits · scale    scale = 1 / rows, or of each row its share
 */
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import { createRng, type Rng } from '../rng.js';
import type { TensorMap } from '../runtime/session.js';
import { massTable } from '../tasks/targets.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { float32 } from '../tensor/tensor.js';
import { appendDropout, appendMixing } from './batch-noise.js';
import { buildGradientGraph, trainingOpset } from './gradient-graph.js';
import { appendReplicas } from './replica-head.js';

export interface MinibatchGraphOptions {
  readonly spec: HeadSpec;
  readonly task: TaskKind;
  readonly dim: number;
  /** Classes, labels, or numbers that are predicted. */
  readonly outputCount: number;
  /** Shapes of the head's parameters, which are inputs; of replicas, [replicas, ...dims] each. */
  readonly parameters: ReadonlyMap<string, { readonly dims: readonly number[] }>;
  /** Heads that learn side by side from the same batches; default: one, without an axis for it. */
  readonly replicas?: number | undefined;
  /**
   * Of the replicas, groups of equal size that each have batches of their own, of one length: the rows of a run are those of the
   * first lane, then those of the second, …, and so are the replicas. Not with dropout, nor mixup. Default: 1.
   */
  readonly lanes?: number | undefined;
  readonly loss?: LossSpec | undefined;
  /** As the task's `balance` gives them. */
  readonly classWeights?: Float32Array | undefined;
  /** What targets that are numbers were divided by, [classes]. */
  readonly targetScale?: Float64Array | undefined;
  /** α of mixup; 0 for none. */
  readonly mixup?: number | undefined;
  /** Most rows a run: dropout makes its masks for as many. */
  readonly batch: number;
  /** Of the dropout masks. */
  readonly seed: number;
}

export interface MinibatchGraph {
  readonly model: Model;
  /** Names of inputs; the parameters go by their own. */
  readonly inputs: {
    /** float32 [batch, dim] */
    readonly features: string;
    /** int32 [batch] of labels, else float32 [batch, outputs] */
    readonly targets: string;
    /** float32, a scalar; of lanes [batch] */
    readonly scale: string;
  };
  /** float32 [batch, outputs]; of replicas, one after another. */
  readonly predicted: string;
  /** By parameter, the output that is its gradient. */
  readonly gradients: ReadonlyMap<string, string>;
  /** What dropout and mixup draw for a batch of so many rows, as inputs. */
  drawNoise(rows: number, rng: Rng): TensorMap;
}

export async function buildMinibatchGraph(options: MinibatchGraphOptions): Promise<MinibatchGraph> {
  const { spec, dim, outputCount, parameters, replicas, lanes = 1, mixup = 0 } = options;
  const { loss = {}, classWeights, targetScale } = options;
  const task = taskOf(options.task);
  const hasLabels = task.targetForm === 'label';
  const builder = new GraphBuilder({ opset: trainingOpset });
  const features = builder.input('features', 'float32', ['batch', dim]);
  const targets = hasLabels
    ? builder.input('labels', 'int32', ['batch'])
    : builder.input('targets', 'float32', ['batch', outputCount]);
  const scale = builder.input('scale', 'float32', lanes > 1 ? ['batch'] : []);
  const gather = (table: string, indices: string, name: string): string =>
    builder.op('Gather', [table, indices], { name, attributes: { axis: 0 } });

  const mixing = mixup > 0 ? appendMixing(builder) : undefined;
  const dropout = spec.kind === 'mlp' && spec.dropout > 0 ? appendDropout(builder, spec, options) : undefined;
  /** The batch's own values, blended with those of partners where there is mixup. */
  const mix = (own: string, name: string): string =>
    mixing ? mixing.blend(own, gather(own, mixing.partners, `${name}/partner`), name) : own;

  const shape = { dim, outputCount, task: task.kind };
  const x = mix(features, 'batch/features');
  const appendOptions = dropout ? { dropout: dropout.apply } : {};
  let logits: string;
  if (replicas === undefined) {
    const inputs = [...parameters].map(
      ([name, { dims }]) => [name, builder.input(name, 'float32', dims)] as const,
    );
    logits = buildHead(spec, shape).append(builder, x, new Map(inputs), appendOptions);
  } else logits = appendReplicas(builder, x, spec, shape, { replicas, lanes }, appendOptions);

  let target: string;
  if (hasLabels) {
    const masses = float32(
      [outputCount, outputCount],
      massTable(outputCount, loss.labelSmoothing, classWeights),
    );
    const table = builder.constant('masses', masses);
    target = mix(gather(table, targets, 'batch/masses'), 'batch/masses');
  } else target = mix(targets, 'batch/targets');
  if (replicas !== undefined) {
    target = repeatRows(builder, target, outputCount, { replicas, lanes }, 'batch/targets');
  }

  const outputs = task.appendOutputs(builder, logits, 2, outputCount);
  const gradient = task.appendBatchGradient(
    builder,
    { logits, target, outputCount, loss, classWeights, targetScale },
    outputs,
  );
  const share =
    replicas !== undefined && lanes > 1
      ? repeatRows(builder, scale, 1, { replicas, lanes }, 'batch/shares')
      : scale;
  const dLogits = builder.op('Mul', [gradient, share], { name: 'grad/logits' });
  // Under its own name: an output renamed is an output copied.
  const predicted = builder.output(outputs, 'float32', ['batch', outputCount]);
  const { model, gradients } = await buildGradientGraph(builder, {
    logits,
    dLogits,
    parameters: [...parameters.keys()],
    inputDims: new Map([
      [features, [2 * lanes, dim]],
      [targets, hasLabels ? [2 * lanes] : [2 * lanes, outputCount]],
      ...(lanes > 1 ? [[scale, [2 * lanes]] as const] : []),
      ...(mixing?.inputDims ?? []),
    ]),
    feeds: dropout?.feeds(2, createRng(1)),
  });
  const ownRows = Int32Array.from({ length: options.batch }, (_, i) => i);
  return {
    model,
    inputs: { features, targets, scale },
    predicted,
    gradients,
    drawNoise: (rows, rng) => ({
      ...mixing?.feeds(ownRows.subarray(0, rows), mixup, rng),
      ...dropout?.feeds(rows, rng),
    }),
  };
}

/** Rows of every lane, once for each of its replicas: [replicas · batch, columns]. */
function repeatRows(
  builder: GraphBuilder,
  value: string,
  columns: number,
  { replicas, lanes }: { readonly replicas: number; readonly lanes: number },
  name: string,
): string {
  const op = (opType: string, inputs: readonly string[], part: string): string =>
    builder.op(opType, inputs, { name: `${name}_${part}` });
  const apart = op('Reshape', [value, builder.ints([lanes, 1, -1])], 'by_lane');
  const repeated = op('Tile', [apart, builder.ints([1, replicas / lanes, 1])], 'of_all');
  return op('Reshape', [repeated, builder.ints([-1, columns])], 'rows');
}
