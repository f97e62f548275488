/** From flags to what `trainHead` takes: the kind of head, its loss, its solver. */
import { GraftError } from '../errors.js';
import type { Activation, HeadKindName, HeadSpec } from '../heads/head.js';
import type { ScheduleKind } from '../optim/schedules.js';
import type { TaskKind } from '../tasks/task.js';
import type { Solver, TrainOptions } from '../train/train-options.js';

export interface HeadOptions {
  readonly head?: HeadKindName | undefined;
  /** Widths of the hidden layers of an MLP, with commas between; default 256. */
  readonly hidden?: string | undefined;
  readonly dropout?: number | undefined;
  readonly activation?: Activation | undefined;
  /** Factor of the cosine head at the start; default 16. */
  readonly scale?: number | undefined;
  readonly labelSmoothing?: number | undefined;
  readonly focal?: number | undefined;
  readonly huber?: number | undefined;
  readonly classWeights?: 'none' | 'balanced' | undefined;
  readonly solver?: Solver | undefined;
  readonly l2?: number | undefined;
  readonly lr?: number | undefined;
  readonly epochs?: number | undefined;
  /** Of lbfgs: largest component of the mean objective's gradient at which it stops. */
  readonly tolerance?: number | undefined;
  readonly batch?: number | undefined;
  readonly patience?: number | undefined;
  /** Default: true; false where a search has chosen the epochs. */
  readonly stopsEarly?: boolean | undefined;
  readonly standardize?: boolean | undefined;
  readonly seed?: number | undefined;
  /** Of the training alone; default: `seed`, which decides the split too. */
  readonly trainingSeed?: number | undefined;
  readonly weightDecay?: number | undefined;
  readonly momentum?: number | undefined;
  readonly nesterov?: boolean | undefined;
  readonly schedule?: ScheduleKind | undefined;
  readonly warmUp?: number | undefined;
  readonly clipNorm?: number | undefined;
  readonly ema?: number | undefined;
  readonly mixup?: number | undefined;
  /** Also measures what this many nearest training examples predict; needs a validation part. */
  readonly knn?: number | undefined;
}

/** @throws GraftError USAGE for flags that do not go together. */
export function headSpec(options: HeadOptions): HeadSpec {
  const { head: kind = 'linear' } = options;
  const flagsOf = { mlp: ['hidden', 'dropout', 'activation'], cosine: ['scale'] } as const;
  for (const [owner, names] of Object.entries(flagsOf)) {
    const stray = names.find((name) => options[name] !== undefined);
    if (stray && owner !== kind) {
      throw new GraftError('USAGE', `--${stray} is for --head ${owner}, but the head is ${kind}.`);
    }
  }
  if (kind === 'mlp') {
    const { hidden = '256', activation = 'relu', dropout = 0 } = options;
    return { kind, hidden: parseWidths(hidden), activation, dropout };
  }
  return kind === 'cosine' ? { kind, scale: options.scale ?? 16 } : { kind };
}

/** @throws GraftError USAGE for flags that do not go together. */
export function headTraining(options: HeadOptions, task: TaskKind): TrainOptions {
  const head = headSpec(options);
  const solver = options.solver ?? (head.kind === 'linear' ? 'lbfgs' : 'adamw');
  assertGoTogether(options, task, head.kind === 'prototype' ? 'no' : solver);
  const { labelSmoothing, focal, huber } = options;
  const loss = defined({ labelSmoothing, focal, huber });
  return {
    head,
    task,
    solver,
    l2: options.l2 ?? 1,
    standardize: options.standardize ?? true,
    seed: options.trainingSeed ?? options.seed ?? 1,
    ...(Object.keys(loss).length > 0 && { loss }),
    ...defined({
      classWeights: options.classWeights,
      lr: options.lr,
      epochs: options.epochs,
      tolerance: options.tolerance,
      batch: options.batch,
      patience: options.patience,
      stopsEarly: options.stopsEarly,
      weightDecay: options.weightDecay,
      momentum: options.momentum,
      nesterov: options.nesterov,
      schedule: options.schedule,
      warmUp: options.warmUp,
      clipNorm: options.clipNorm,
      ema: options.ema,
      mixup: options.mixup,
    }),
  };
}

/** Of epochs: L-BFGS sees all examples at once and chooses its own steps. */
const epochFlags = {
  mixup: '--mixup',
  ema: '--ema',
  schedule: '--schedule',
  warmUp: '--warm-up',
  clipNorm: '--clip-norm',
  weightDecay: '--weight-decay',
  lr: '--lr',
} as const;

function assertGoTogether(options: HeadOptions, task: TaskKind, solver: Solver | 'no'): void {
  if (solver === 'no') refuseTraining(options);
  const stray = solver === 'lbfgs' ? findGiven(options, epochFlags) : undefined;
  if (stray) refuse(`${stray} is for the solvers that go by epochs; add --solver adamw or --solver sgd.`);
  if (solver !== 'lbfgs' && options.tolerance !== undefined)
    refuse(`--tolerance is for --solver lbfgs, but it is ${solver}.`);
  if (solver !== 'sgd' && (options.momentum !== undefined || options.nesterov !== undefined)) {
    refuse(`--momentum and --nesterov are for --solver sgd, but it is ${solver}.`);
  }
  assertLossSuits(options, task);
}

/** What says how a head is trained, and of which loss, has no meaning for one that is computed. */
function refuseTraining(options: HeadOptions): void {
  const solving = { ...epochFlags, tolerance: '--tolerance', momentum: '--momentum', nesterov: '--nesterov' };
  const stray = findGiven(options, solving);
  if (stray)
    refuse(
      `${stray} is for heads that are trained, but a prototype head is computed: each class is its mean; leave ${stray} away.`,
    );
  const { classWeights } = options;
  const ofLoss = findGiven(
    { ...options, classWeights: classWeights === 'none' ? undefined : classWeights },
    { classWeights: '--class-weights', labelSmoothing: '--label-smoothing', focal: '--focal' },
  );
  if (ofLoss)
    refuse(
      `${ofLoss} is about a loss, but the prototype head trains none: each class is its mean, and all count alike; leave ${ofLoss} away.`,
    );
}

/** @returns the flag of the first of the options that is given */
function findGiven(
  options: HeadOptions,
  flags: Partial<Readonly<Record<keyof HeadOptions, string>>>,
): string | undefined {
  return Object.entries(flags).find(([name]) => options[name as keyof HeadOptions] !== undefined)?.[1];
}

/** @throws GraftError USAGE for a loss that the task does not have. */
export function assertLossSuits(options: HeadOptions, task: TaskKind): void {
  if (options.huber !== undefined && task !== 'regression')
    refuse(`--huber is for --task regression, but the task is ${task}.`);
  if (options.focal !== undefined && task !== 'single' && task !== 'multi')
    refuse(`--focal is for --task single and multi, but the task is ${task}.`);
  if (options.focal !== undefined && options.labelSmoothing !== undefined)
    refuse('--focal and --label-smoothing pull in opposite directions; take one of them.');
  if (task === 'regression' && (options.labelSmoothing !== undefined || options.classWeights === 'balanced'))
    refuse('--label-smoothing and --class-weights are for classes and labels, but the task is regression.');
}

function refuse(message: string): never {
  throw new GraftError('USAGE', message);
}

function parseWidths(text: string): number[] {
  const widths = String(text).split(',').map(Number);
  if (widths.every((width) => Number.isSafeInteger(width) && width > 0)) return widths;
  throw new GraftError(
    'USAGE',
    `Expected whole numbers above 0 for --hidden, as in 512,256, but received ${JSON.stringify(text)}.`,
  );
}

function defined<T extends Record<string, unknown>>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
