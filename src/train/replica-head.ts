/**
 * Several heads of one kind on the same features, each with weights of its own: every parameter has a leading axis of
 * replicas, so that those of one replica lie together.
 *
 * A linear layer of all of them is one product, [batch, dim] x [dim, replicas · columns]: a wide one, where each alone
 * would be too narrow for a processor's matrix kernels. Other heads take the axis along in their products.
 */
import { buildHead } from '../heads/build-head.js';
import type { AppendOptions, HeadShape, HeadSpec } from '../heads/head.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import { taskOf } from '../tasks/task-of.js';
import { sizeOf } from '../tensor/shape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { blocksOf } from './feature-blocks.js';
import type { AnyFeatureSet } from './feature-set.js';
import { trainingOpset } from './gradient-graph.js';

/** Whether such heads may stand side by side: not where the task puts parameters of its own behind a deep head. */
export function canReplicate(spec: HeadSpec, shape: HeadShape): boolean {
  return spec.kind === 'linear' || taskOf(shape.task).ownParameters(shape.outputCount).size === 0;
}

/** Equal weights for all replicas, [replicas, ...dims] each. */
export function repeatParameters(
  parameters: ReadonlyMap<string, Tensor>,
  replicas: number,
): Map<string, Tensor> {
  return new Map(
    [...parameters].map(([name, { dims, data }]) => {
      const all = new Float32Array(replicas * data.length);
      for (let replica = 0; replica < replicas; replica++)
        all.set(data as Float32Array, replica * data.length);
      return [name, float32([replicas, ...dims], all)];
    }),
  );
}

/** The replicas of several such sets, one after another, in memory of their own. */
export function joinReplicas(sets: readonly ReadonlyMap<string, Tensor>[]): Map<string, Tensor> {
  return new Map(
    [...sets[0]!].map(([name, { dims }]) => {
      const parts = sets.map((set) => set.get(name)!.data as Float32Array);
      const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
      parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
      return [name, float32([sets.length * dims[0]!, ...dims.slice(1)], all)];
    }),
  );
}

/** `count` replicas from `from` on, as views. */
export function someReplicas(
  parameters: ReadonlyMap<string, Tensor>,
  from: number,
  count: number,
): Map<string, Tensor> {
  return new Map(
    [...parameters].map(([name, { dims, data }]) => {
      const own = [count, ...dims.slice(1)];
      const size = sizeOf(own) / count;
      return [name, float32(own, (data as Float32Array).subarray(from * size, (from + count) * size))];
    }),
  );
}

/** What belongs to one replica, as views into what belongs to all. */
export function replicaOf(parameters: ReadonlyMap<string, Tensor>, replica: number): Map<string, Tensor> {
  return new Map(
    [...parameters].map(([name, { dims, data }]) => {
      const own = dims.slice(1);
      const size = sizeOf(own);
      return [name, float32(own, (data as Float32Array).subarray(replica * size, (replica + 1) * size))];
    }),
  );
}

/**
 * Appends the replicas; the parameters are inputs of the graph, [replicas, ...dims], under their own names.
 * @param features - value [batch, dim]; of lanes [lanes · batch, dim], those of the first lane first
 * @returns the logits, [replicas · batch, logits]
 */
export function appendReplicas(
  builder: GraphBuilder,
  features: string,
  spec: HeadSpec,
  shape: HeadShape,
  { replicas, lanes = 1 }: { readonly replicas: number; readonly lanes?: number },
  options: AppendOptions = {},
): string {
  // With an axis of lanes in front, where there are any.
  const front = lanes > 1 ? [lanes] : [];
  const own = replicas / lanes;
  const isWide = spec.kind === 'linear';
  const head = buildHead(spec, shape);
  const width = taskOf(shape.task).readout(shape.outputCount).logits;
  const op = (opType: string, inputs: readonly string[], name: string, attributes = {}): string =>
    builder.op(opType, inputs, { name: `replicas/${name}`, attributes });
  const values = new Map<string, string>();
  for (const [name, dims] of head.parameters) {
    const input = builder.input(name, 'float32', [replicas, ...dims]);
    const columns = dims.at(-1)!;
    const rest = dims.slice(0, -1);
    const reshape = (value: string, to: readonly number[], part: string): string =>
      op('Reshape', [value, builder.ints([...front, ...to])], `${name}/${part}`);
    if (isWide && rest.length > 0) {
      const apart = lanes > 1 ? reshape(input, [own, ...dims], 'by_lane') : input;
      const perm = lanes > 1 ? [0, 2, 1, 3] : [1, 0, 2];
      const side = op('Transpose', [apart], `${name}/side`, { perm });
      values.set(name, reshape(side, [...rest, own * columns], 'wide'));
    } else if (isWide) {
      values.set(name, reshape(input, [...(lanes > 1 ? [1] : []), own * columns], 'wide'));
    } else if (rest.length === 0) values.set(name, reshape(input, [own, 1, columns], 'row'));
    else values.set(name, lanes > 1 ? reshape(input, [own, ...dims], 'by_lane') : input);
  }
  let x = features;
  if (lanes > 1) {
    const each = isWide ? [lanes, -1, shape.dim] : [lanes, 1, -1, shape.dim];
    x = op('Reshape', [features, builder.ints(each)], 'features_by_lane');
  }
  let logits = head.append(builder, x, values, options);
  if (isWide) {
    const to = lanes > 1 ? [lanes, -1, own, width] : [0, own, width];
    const apart = op('Reshape', [logits, builder.ints(to)], 'apart');
    logits = op('Transpose', [apart], 'leading', { perm: lanes > 1 ? [0, 2, 1, 3] : [1, 0, 2] });
  }
  return op('Reshape', [logits, builder.ints([-1, width])], 'logits');
}

export interface ReplicaScorer {
  /** What the task gives out for every row, [rows, outputs] for each replica. */
  outputs(set: AnyFeatureSet, parameters: ReadonlyMap<string, Tensor>): Promise<Float32Array[]>;
  release(): Promise<void>;
}

/** Rows of all replicas that are scored at once. */
const scoredRows = 16_384;

export async function openReplicaScorer(
  spec: HeadSpec,
  shape: HeadShape,
  replicas: number,
  threads?: number,
): Promise<ReplicaScorer> {
  const { dim, outputCount } = shape;
  const builder = new GraphBuilder({ opset: trainingOpset });
  const features = builder.input('features', 'float32', ['batch', dim]);
  const logits = appendReplicas(builder, features, spec, shape, { replicas });
  const outputs = builder.output(
    taskOf(shape.task).appendOutputs(builder, logits, 2, outputCount),
    'float32',
    ['rows', outputCount],
    'outputs',
  );
  const session = await openSession(encodeModel(builder.model()), threads === undefined ? {} : { threads });
  return {
    async outputs(set, parameters) {
      const own = Array.from({ length: replicas }, () => new Float32Array(set.rows * outputCount));
      const weights = Object.fromEntries(parameters);
      for await (const { from, to, values } of blocksOf(set, Math.ceil(scoredRows / replicas))()) {
        const found = await session.run({ [features]: float32([to - from, dim], values), ...weights });
        copyApart(found[outputs]!.data as Float32Array, own, from * outputCount);
      }
      return own;
    },
    release: () => session.release(),
  };
}

/** From [replicas, …] into an array for each replica, from `at` on. */
function copyApart(stacked: Float32Array, own: readonly Float32Array[], at: number): void {
  const size = stacked.length / own.length;
  for (const [replica, into] of own.entries()) {
    into.set(stacked.subarray(replica * size, (replica + 1) * size), at);
  }
}
