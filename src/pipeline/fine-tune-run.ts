/** `--unfreeze`: caches the activations at an earlier cut, then trains what follows it together with the head. */
import { trainableForm } from '../graph/trainable-form.js';
import { silentLogger } from '../logger.js';
import { toInitializer } from '../onnx/initializer.js';
import { openSession } from '../runtime/open-session.js';
import { describeScore } from '../tasks/describe-score.js';
import { countTargets } from '../tasks/targets.js';
import type { TaskKind } from '../tasks/task.js';
import { toHalfArray } from '../tensor/float16.js';
import type { Tensor } from '../tensor/tensor.js';
import { fineTune } from '../train/fine-tune.js';
import type { FineTuneOptions } from '../train/fine-tune-options.js';
import { computeFeatures } from '../train/tail-scorer.js';
import type { OpenSession } from '../train/tail-step.js';
import type { Tail } from '../train/tail.js';
import { cacheActivations, type CachedActivations } from './cache-activations.js';
import type { Backbone } from './prepare-backbone.js';
import { describeExample } from './describe-example.js';
import { headSpec } from './head-options.js';
import { measureHead } from './measure-head.js';
import { digest } from './run-progress.js';
import { sayUnusedByLayers } from './say-unused.js';
import { splitRows } from './split-features.js';
import type { FitContext, FittedRun, TrainOptions } from './training-run.js';

export async function fineTuneRun(options: TrainOptions, hooks: FitContext): Promise<FittedRun> {
  const activations = await cacheActivations(options, options.unfreeze!, hooks);
  return fit(activations, options, hooks).finally(() => activations.close());
}

async function fit(
  { cached, unfrozen, open }: CachedActivations,
  options: TrainOptions,
  hooks: FitContext,
): Promise<FittedRun> {
  const { logger = silentLogger, signal } = hooks;
  const { tail, backbone } = unfrozen;
  const parts = splitRows(cached, options, logger);
  const train = await open(parts.train);
  const validation = parts.validation && (await open(parts.validation));
  const training = fineTuneOptions(options, cached.dataset.task);
  sayUnusedByLayers(options, { isValidated: validation !== undefined }, logger);
  const settings = {
    ...training,
    unfreeze: options.unfreeze,
    validation: options.validation ?? 0.2,
    calibrate: options.calibrate ?? false,
  };
  const openOnDevice: OpenSession = (bytes, sessionOptions) =>
    openSession(bytes, { ...sessionOptions, device: options.device ?? 'auto' });
  const onEpoch: FineTuneOptions['onEpoch'] = (record) => {
    const { epoch, train: score, validation: held } = record;
    hooks.onEpoch(record);
    logger.info(
      `epoch ${epoch}  train ${describeScore(score)}` + (held ? `  validation ${describeScore(held)}` : ''),
    );
  };
  const { targets } = parts.train;
  const checkpoint = await hooks.begin({
    settings,
    data: digest(
      cached.store.folder,
      cached.keys,
      ...[parts.rows.train, parts.rows.validation].map((rows) => Int32Array.from(rows)),
      targets.labels,
      ...(targets.targets ? [targets.targets] : []),
    ),
  });
  const { weights, headAlone, ...result } = await fineTune(
    tail,
    train,
    validation,
    { ...training, logger, onEpoch, checkpoint, ...(signal && { signal }) },
    openOnDevice,
  );
  const { activations, ...measured } = validation ?? train;
  const named = validation ? parts.rows.validation : parts.rows.train;
  const { threads } = options;
  const [features] = await computeFeatures(withWeights(tail, weights), [activations], openOnDevice, {
    ...(threads !== undefined && { threads }),
    signal,
  });
  const { head, evaluation } = await measureHead({
    head: result.head,
    part: validation ? 'validation' : 'train',
    set: { ...measured, dim: tail.dim, features: features! },
    groups: validation ? parts.validationGroups : parts.trainGroups,
    trainCounts: [...countTargets(train)],
    describeRow: (row) => describeExample(cached.dataset, named[row]!),
    calibrate: options.calibrate,
    logger,
    threads,
  });
  return {
    config: { cached: { ...cached, backbone }, held: parts.held, typical: parts.typical },
    parts: { train, validation },
    result: { ...result, head },
    training: settings,
    evaluation,
    weights: asInBackbone(weights, backbone),
    ...(headAlone && { headAlone }),
  };
}

/** Handed on as they were given. */
const passedOn = [
  ...([
    'classWeights',
    'warmUp',
    'lr',
    'tailLr',
    'layerDecay',
    'gradual',
    'weightDecay',
    'clipNorm',
  ] as const),
  ...(['ema', 'warmStart', 'patience', 'stopsEarly', 'epochs', 'batch', 'threads'] as const),
] satisfies readonly (keyof TrainOptions & keyof FineTuneOptions)[];

export function fineTuneOptions(options: TrainOptions, task: TaskKind): FineTuneOptions {
  const { labelSmoothing, focal, huber } = options;
  return withoutUndefined({
    ...Object.fromEntries(passedOn.map((name) => [name, options[name]])),
    head: headSpec(options),
    task,
    loss: withoutUndefined({ labelSmoothing, focal, huber }),
    l2: options.l2 ?? 1,
    start: options.headStart,
    standardize: options.standardize ?? true,
    seed: options.trainingSeed ?? options.seed ?? 1,
  });
}

function withoutUndefined(fields: Record<string, unknown>): FineTuneOptions {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function withWeights(tail: Tail, weights: ReadonlyMap<string, Tensor>): Tail {
  const { graph } = tail.model;
  const trained = [...weights].map(([name, tensor]) => [name, toInitializer(name, tensor)] as const);
  return {
    ...tail,
    model: { ...tail.model, graph: { ...graph, initializers: new Map([...graph.initializers, ...trained]) } },
  };
}

/** The trained weights in the types that the backbone holds them in: those of a float16 model are rounded to it. */
function asInBackbone(
  weights: ReadonlyMap<string, Tensor>,
  { features }: Backbone,
): ReadonlyMap<string, Tensor> {
  const { initializers } = trainableForm(features).graph;
  return new Map(
    [...weights].map(([name, tensor]) => {
      const isHalf = initializers.get(name)?.dtype === 'float16';
      const data = isHalf ? toHalfArray(tensor.data as Float32Array) : tensor.data;
      return [name, isHalf ? { dtype: 'float16', dims: tensor.dims, data } : tensor] as const;
    }),
  );
}
