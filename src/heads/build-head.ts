import { GraftError } from '../errors.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { sizeOf } from '../tensor/shape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { cosineHead } from './cosine.js';
import type { Head, HeadBuilder, HeadKindName, HeadShape, HeadSpec, TrainedHead } from './head.js';
import { linearHead } from './linear.js';
import { mlpHead } from './mlp.js';
import { prototypeHead } from './prototype.js';

const builders = {
  linear: linearHead,
  mlp: mlpHead,
  cosine: cosineHead,
  prototype: prototypeHead,
} as Readonly<Record<HeadKindName, HeadBuilder>>;

/** Tasks that a kind of head is for, where it is not for all. */
const tasksOf: Partial<Readonly<Record<HeadKindName, readonly TaskKind[]>>> = {
  cosine: ['single'],
  prototype: ['single'],
};

/** 8 GB of float32, and several times that in training. */
const mostWeights = 2 ** 31;

/**
 * A head of this kind with what the task puts between its scores and the logits.
 * @throws GraftError INVALID_ARGUMENT where the kind of head is not for this task or a single feature, or it would fill any memory.
 */
export function buildHead(spec: HeadSpec, { dim, outputCount, task: kind }: HeadShape): Head {
  const tasks = tasksOf[spec.kind];
  if (tasks && !tasks.includes(kind)) {
    throw new GraftError(
      'INVALID_ARGUMENT',
      `The ${spec.kind} head is for classes that exclude each other, but the task is ${kind}; take --head linear or mlp.`,
    );
  }
  if (spec.kind === 'cosine' && dim === 1) {
    throw new GraftError(
      'INVALID_ARGUMENT',
      'The cosine head compares directions, of which a single feature has two, so there is nothing to learn; take --head linear or mlp.',
    );
  }
  const task = taskOf(kind);
  const base = builders[spec.kind](spec, { dim, ...task.readout(outputCount) });
  const weights = [...base.parameters.values()].reduce((sum, dims) => sum + sizeOf(dims), 0);
  if (weights > mostWeights) {
    throw new GraftError(
      'INVALID_ARGUMENT',
      `The head would have ${weights.toExponential(1)} weights, more than any memory holds; ` +
        (spec.kind === 'mlp' ? 'make --hidden smaller.' : 'take a layer of fewer features.'),
    );
  }
  const own = task.ownParameters(outputCount);
  const keptOwn = task.keptParameters(outputCount);
  return {
    ...base,
    parameters: new Map([...base.parameters, ...own]),
    kept: new Map([...base.kept, ...keptOwn]),
    initial: (rng) => {
      const zeros = [...own].map(([name, dims]) => [name, float32(dims, new Float32Array(sizeOf(dims)))] as const);
      return new Map([...base.initial(rng), ...zeros]);
    },
    append(builder, features, parameters, options = {}) {
      const scores = base.append(builder, features, parameters, options);
      return task.appendLogits(builder, scores, parameters, {
        outputCount,
        precision: options.precision ?? 'float32',
      });
    },
    finish(parameters, standardization) {
      const ownData = [...own.keys()].map((name) => [name, parameters.get(name)!.data as Float32Array] as const);
      const finished = task.finishOwn(new Map(ownData));
      const ofBase = new Map([...parameters].filter(([name]) => !own.has(name)));
      return new Map<string, Tensor>([
        ...base.finish(ofBase, standardization),
        ...[...finished].map(([name, data]) => [name, float32(keptOwn.get(name)!, data)] as const),
      ]);
    },
  };
}

export function shapeOfHead({ dim, classes, task }: TrainedHead): HeadShape {
  return { dim, outputCount: classes.length, task };
}

/**
 * Appends a trained head with its weights as constants.
 * @param features - value [batch, dim] float32
 * @returns the logits, [batch, logits]
 */
function appendHead(builder: GraphBuilder, features: string, head: TrainedHead): string {
  const names = new Map([...head.parameters].map(([name, tensor]) => [name, builder.constant(name, tensor)]));
  return buildHead(head.spec, shapeOfHead(head)).append(builder, features, names);
}

/**
 * Appends a trained head and what its task gives out.
 * @returns values of the logits [batch, logits] and of the outputs [batch, classes]
 */
export function appendHeadOutputs(
  builder: GraphBuilder,
  features: string,
  head: TrainedHead,
): { readonly logits: string; readonly outputs: string } {
  const logits = appendHead(builder, features, head);
  const { temperature = 1 } = head;
  let sure = logits;
  if (temperature !== 1) {
    const divisor = builder.constant('head/temperature', float32([], Float32Array.of(temperature)));
    sure = builder.op('Div', [logits, divisor], { name: 'head/calibrated' });
  }
  return { logits, outputs: taskOf(head.task).appendOutputs(builder, sure, 2, head.classes.length) };
}
