/** Flags of what is trained and how, and of keeping and following a run. */
import type { Options } from 'yargs';
import { activations, headKinds } from '../heads/head.js';
import { scheduleKinds } from '../optim/schedules.js';
import { foldCount, integer, nonNegative, positive, positiveInteger, share } from './numeric-options.js';

export const trainingOptions = {
  head: { choices: headKinds, default: 'linear', describe: 'Kind of head' },
  hidden: {
    type: 'string',
    requiresArg: true,
    describe: 'mlp: widths of the hidden layers, such as 512,256 [default: 256]',
  },
  dropout: { ...share('dropout'), describe: 'mlp: share of hidden values dropped in training [default: 0]' },
  activation: {
    choices: activations,
    describe: 'mlp: of the hidden layers [default: relu]',
  },
  scale: { ...positive('scale'), describe: 'cosine: factor of the cosines at the start [default: 16]' },
  'class-weights': { choices: ['none', 'balanced'], describe: 'balanced: all classes count alike' },
  'label-smoothing': {
    ...share('label-smoothing'),
    describe: 'Share of each target spread over all classes',
  },
  focal: { ...positive('focal'), describe: 'gamma of the focal loss: easy examples count less' },
  huber: { ...positive('huber'), describe: 'regression: delta from which errors count linearly' },
  knn: { ...positiveInteger('knn'), describe: 'Also measure what the K nearest training examples predict' },
  mixup: { ...nonNegative('mixup'), describe: 'alpha of mixup on features (adamw, sgd)' },
  solver: {
    choices: ['lbfgs', 'adamw', 'sgd'],
    describe: 'lbfgs goes to the optimum; adamw and sgd go by epochs [default: linear lbfgs, else adamw]',
  },
  l2: { ...nonNegative('l2'), default: 1, describe: 'L2 penalty lambda: sum of losses + lambda/2 ||W||^2' },
  lr: {
    ...positive('lr'),
    describe: 'Learning rate of adamw and sgd [default: 0.001, sgd 0.01, unfrozen 0.005]',
  },
  momentum: { ...share('momentum'), describe: 'Of sgd [default: 0.9]' },
  nesterov: { type: 'boolean', describe: "Nesterov's momentum in sgd [default: true]" },
  schedule: {
    choices: scheduleKinds,
    describe: 'Learning rate over time (adamw, sgd) [default: constant]',
  },
  'warm-up': {
    ...share('warm-up'),
    describe: 'Share of the steps in which the rate rises [default: 0, unfrozen 0.1]',
  },
  epochs: {
    ...positiveInteger('epochs'),
    describe: 'Maximum epochs (lbfgs: iterations) [default: 100, lbfgs 1000, unfrozen 8]',
  },
  tolerance: {
    ...positive('tolerance'),
    describe:
      "lbfgs: stop at this largest gradient component of the mean objective, as scikit-learn's tol [default: at the optimum]",
  },
  batch: {
    ...positiveInteger('batch'),
    describe:
      'Examples per step of adamw and sgd [default: 16 to 256 by the number of examples, unfrozen 16]',
  },
  'backbone-batch': { ...positiveInteger('backbone-batch'), describe: 'Examples per run of the backbone' },
  standardize: { type: 'boolean', default: true, describe: 'Scale each feature to mean 0 and deviation 1' },
  validation: {
    ...share('validation'),
    describe: 'Share held out if the data have no validation part; 0 trains on everything [default: 0.2]',
  },
  folds: {
    ...foldCount('folds'),
    describe: 'Also cross-validate on K folds of the training part, and list labels that look wrong',
  },
  duplicates: {
    choices: ['warn', 'remove', 'keep'],
    default: 'warn',
    describe: 'Examples with the same bytes: warn, remove, or keep silently',
  },
  seed: { ...integer('seed'), default: 1, describe: 'Seed of the split and of the training' },
  stream: {
    type: 'boolean',
    describe: 'Leave features on disk and read them when needed [default: if memory does not hold them]',
  },
  unfreeze: {
    type: 'string',
    requiresArg: true,
    describe: 'Train everything after this layer too (a tensor name; see graft inspect)',
  },
  'tail-lr': {
    ...positive('tail-lr'),
    describe: 'Learning rate of the unfrozen layers [default: 0.1 of --lr]',
  },
  'layer-decay': {
    ...positive('layer-decay'),
    describe: 'Rate of each unfrozen layer as a share of the next one [default: 1]',
  },
  gradual: {
    ...positiveInteger('gradual'),
    describe:
      'Unfrozen: epochs over which the layers are unfrozen, the last ones first [default: none, all at once]',
  },
  'weight-decay': {
    ...nonNegative('weight-decay'),
    describe: 'Of the weights (adamw, sgd; unfrozen layers) [default: from --l2]',
  },
  'clip-norm': {
    ...positive('clip-norm'),
    describe: 'Maximum norm of the gradient [default: none; unfrozen 1]',
  },
  ema: {
    ...share('ema'),
    describe: 'Running average of the weights that is kept: its decay [default: 0, none]',
  },
  'warm-start': {
    type: 'boolean',
    default: true,
    describe: 'Unfrozen: fit the head first, then move the layers',
  },
  patience: {
    ...positiveInteger('patience'),
    describe:
      'Epochs without a better validation loss (unfrozen: score) after which training stops [default: 10, unfrozen none]',
  },
} as const satisfies Record<string, Options>;

export const viewOptions = {
  views: {
    ...positiveInteger('views'),
    describe: 'Random views of each training photo to cache and train on [default: none]',
  },
  augment: {
    type: 'string',
    requiresArg: true,
    describe:
      'What views do: some of crop,flip,color,randaugment, or a .json file [default: crop,flip,color]',
  },
  'view-seed': { ...integer('view-seed'), default: 1, describe: 'Seed of the views' },
} as const satisfies Record<string, Options>;

export const runKeepingOptions = {
  calibrate: {
    type: 'boolean',
    default: false,
    describe: 'Scale the probabilities by a temperature fitted on the validation part',
  },
  resume: {
    type: 'boolean',
    describe:
      'Go on with the unfinished run in --out, whose flags need no repeating; --no-resume begins again [default: go on if the settings are the same]',
  },
  'checkpoint-seconds': {
    ...nonNegative('checkpoint-seconds'),
    default: 30,
    describe: 'Least time between two checkpoints; 0: each epoch',
  },
  tensorboard: {
    type: 'string',
    describe: 'Write event files below this folder [alone: tensorboard in the run folder]',
  },
  mlflow: {
    type: 'string',
    requiresArg: true,
    describe: 'Log to the MLflow tracking server at this address',
  },
  'mlflow-experiment': {
    type: 'string',
    requiresArg: true,
    describe: 'Experiment on that server [default: $MLFLOW_EXPERIMENT_NAME, else graft]',
  },
} as const satisfies Record<string, Options>;
