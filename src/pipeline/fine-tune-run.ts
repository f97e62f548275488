/** `--unfreeze`: caches the activations at an earlier cut, then trains what follows it together with the head. */
import { totalmem } from 'node:os';
import { GraftError } from '../errors.js';
import { silentLogger } from '../logger.js';
import { describeScore } from '../tasks/describe-score.js';
import { openSession } from '../runtime/open-session.js';
import { fineTune, type FineTuneOptions } from '../train/fine-tune.js';
import { cacheFeatures } from './cache-features.js';
import { headSpec } from './head-options.js';
import { prepareBackbone } from './prepare-backbone.js';
import { prepareTail, type UnfrozenBackbone } from './prepare-tail.js';
import { digest } from './run-progress.js';
import { splitFeatures } from './split-features.js';
import type { FitContext, FittedRun, TrainOptions } from './train-run.js';

/** Share of the machine's memory that the activations may take. */
const memoryShare = 0.6;

export async function fineTuneRun(options: TrainOptions, hooks: FitContext): Promise<FittedRun> {
  const { logger = silentLogger, signal } = hooks;
  let unfrozen: UnfrozenBackbone | undefined;
  const cached = await cacheFeatures(options, hooks, async (given, context, examples) => {
    const backbone = await prepareBackbone(given, context);
    unfrozen = await prepareTail(backbone, options.unfreeze!);
    sayCost(unfrozen, examples, logger.info);
    return unfrozen.frozen;
  });
  const { tail, backbone } = unfrozen!;
  const parts = await splitFeatures(cached, options, logger);
  const training = withoutUndefined({
    head: headSpec(options),
    l2: options.l2 ?? 1,
    standardize: options.standardize ?? true,
    seed: options.seed ?? 1,
    lr: options.lr,
    tailLr: options.tailLr,
    layerDecay: options.layerDecay,
    weightDecay: options.weightDecay,
    clipNorm: options.clipNorm,
    ema: options.ema,
    warmStart: options.warmStart,
    patience: options.patience,
    epochs: options.epochs,
    batch: options.batch,
    threads: options.threads,
  }) as FineTuneOptions;
  const onEpoch: FineTuneOptions['onEpoch'] = (record) => {
    const { epoch, train, validation } = record;
    hooks.onEpoch(record);
    logger.info(
      `epoch ${epoch}  train ${describeScore(train)}` +
        (validation ? `  validation ${describeScore(validation)}` : ''),
    );
  };
  await hooks.begin({
    settings: { ...training, unfreeze: options.unfreeze, validation: options.validation ?? 0.2 },
    data: digest(cached.store.folder, cached.keys),
  });
  const { weights, headAlone, ...result } = await fineTune(
    tail,
    parts.train,
    parts.validation,
    { ...training, logger, onEpoch, ...(signal && { signal }) },
    (bytes, sessionOptions) => openSession(bytes, { ...sessionOptions, device: options.device ?? 'auto' }),
  );
  return {
    config: { cached: { ...cached, backbone }, held: parts.held },
    parts,
    result,
    training: { ...training, unfreeze: options.unfreeze },
    weights,
    ...(headAlone && { headAlone }),
  };
}

/** What the activations take, said before anything is computed. */
function sayCost({ frozen, tail }: UnfrozenBackbone, examples: number, say: (message: string) => void): void {
  const bytes = frozen.dim * 4 * examples;
  const shapes = tail.crossing.map(({ name, dims }) => `${name} ${dims.join('x')}`).join(', ');
  const gigabytes = (size: number) => `${(size / 1e9).toFixed(2)} GB`;
  say(
    `Activations at ${shapes}: ${frozen.dim} values an example, ${gigabytes(bytes)} on disk and in memory for ${examples} examples.`,
  );
  if (bytes > memoryShare * totalmem()) {
    throw new GraftError(
      'OUT_OF_MEMORY',
      `The activations at ${shapes} of ${examples} examples take ${gigabytes(bytes)}, but this machine has ` +
        `${gigabytes(totalmem())} of memory; unfreeze a later layer or train on fewer examples.`,
    );
  }
}

function withoutUndefined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
