/** The head that layers begin to move under: fitted on what the tail makes as it came, and kept in states of training. */
import { buildHead } from '../heads/build-head.js';
import type { Head, Standardization } from '../heads/head.js';
import type { SessionOptions } from '../runtime/session.js';
import type { Score } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { sizeOf } from '../tensor/shape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { FeatureSet } from './feature-set.js';
import type { FineTuneSettings } from './fine-tune-options.js';
import type { ActivationSet } from './row-source.js';
import { fitStandardization } from './standardize.js';
import { startingParameters } from './starting-parameters.js';
import { computeFeatures } from './tail-scorer.js';
import type { OpenSession } from './tail-step.js';
import type { Tail } from './tail.js';
import { trainHead } from './train-head.js';
import type { SolverState } from './training-state.js';

/** What the tail makes of the activations as it came: what the head is fitted on first. */
export async function featuresOf(
  tail: Tail,
  train: ActivationSet,
  validation: ActivationSet | undefined,
  open: OpenSession,
  options: SessionOptions & { readonly signal: AbortSignal | undefined },
): Promise<[FeatureSet, FeatureSet | undefined]> {
  const sources = [train, ...(validation ? [validation] : [])].map(({ activations }) => activations);
  const [own, held] = await computeFeatures(tail, sources, open, options);
  const { dim } = tail;
  return [{ ...train, dim, features: own! }, validation && { ...validation, dim, features: held! }];
}

/** What the head reached before the tail moved. */
export interface HeadAlone {
  readonly train: Score;
  readonly validation?: Score;
}

/** The head that the tail begins to move under, and what its features are scaled by. */
export interface HeadStart {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly scaling: Standardization | undefined;
}

/** The start in a state of training, where its parameters have long been replaced. */
export function keptStart({ tensors }: SolverState, { parameters }: Head): HeadStart {
  const [mean, std] = ['mean', 'std'].map((name) => tensors.get(`scaling/${name}`)?.data as Float64Array);
  return {
    parameters: new Map(
      [...parameters].map(([name, dims]) => [name, float32(dims, new Float32Array(sizeOf(dims)))]),
    ),
    scaling: mean && std && { mean, std },
  };
}

export function withStart(
  { fields, tensors }: SolverState,
  scaling: Standardization | undefined,
  headAlone: HeadAlone | undefined,
): SolverState {
  const kept = Object.entries(scaling ?? {}).map(
    ([name, data]: [string, Float64Array]) =>
      [`scaling/${name}`, { dtype: 'float64', dims: [data.length], data }] satisfies [string, Tensor],
  );
  return { fields: { ...fields, headAlone }, tensors: new Map([...tensors, ...kept]) };
}

/** Fitted, or as its kind begins. */
export async function startHead(
  features: FeatureSet,
  held: FeatureSet | undefined,
  settings: FineTuneSettings,
): Promise<HeadStart> {
  const {
    head: spec,
    task: kind,
    seed,
    warmStart,
    stopsEarly,
    standardize,
    loss,
    l2,
    threads,
    signal,
  } = settings;
  if (warmStart) {
    const { trained } = await trainHead(features, held, {
      head: spec,
      task: kind,
      loss,
      classWeights: settings.classWeights,
      l2,
      standardize,
      seed,
      stopsEarly,
      ...settings.start,
      ...(threads !== undefined && { threads }),
      ...(signal && { signal }),
    });
    return trained;
  }
  const task = taskOf(kind);
  const head = buildHead(spec, { dim: features.dim, outputCount: features.classes.length, task: kind });
  const classWeights = settings.classWeights === 'balanced' ? task.balance?.(features) : undefined;
  return {
    parameters: startingParameters(head, task, features, { seed, classWeights, targetScaling: undefined }),
    scaling: standardize ? fitStandardization(features) : undefined,
  };
}
