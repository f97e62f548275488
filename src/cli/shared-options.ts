/** Flags that several commands share, with their checks. */
import type { Options, PositionalOptions } from 'yargs';
import { devices } from '../runtime/session.js';
import { positiveInteger, threadCount } from './numeric-options.js';

export const backboneOptions = {
  backbone: {
    type: 'string',
    demandOption: true,
    requiresArg: true,
    describe: 'ONNX file or folder, catalogue name (graft models ls) or hf:owner/repo',
  },
  layer: {
    type: 'string',
    requiresArg: true,
    describe: 'Feature layer: a tensor name [default: the recommended one]',
  },
  pool: {
    choices: ['avg', 'max', 'cls', 'last', 'mean', 'none'],
    describe: 'Pooling of the feature layer [default: what suits its shape]',
  },
  preprocess: {
    type: 'string',
    requiresArg: true,
    describe: 'Preprocessing spec of images [default: beside the model, then its metadata, then a guess]',
  },
  tokenizer: {
    type: 'string',
    requiresArg: true,
    describe: 'tokenizer.json of a text backbone [default: beside the model, then its metadata]',
  },
  'max-length': {
    ...positiveInteger('max-length'),
    describe: 'Maximum tokens per text [default: 128, or what model and tokenizer allow]',
  },
} as const satisfies Record<string, Options>;

/** Of a run on features that were made elsewhere. */
export const mergedBackboneOptions = {
  ...backboneOptions,
  backbone: {
    type: 'string',
    requiresArg: true,
    describe:
      'For a run on --features: the backbone that makes them, merged in the file [default: the head alone]',
  },
} as const satisfies Record<string, Options>;

export const dataOptions = {
  data: {
    type: 'string',
    demandOption: true,
    requiresArg: true,
    describe:
      'Images or texts: folder with one folder a class; CSV, TSV, JSONL, JSON; tar, zip or Parquet files (folder, a-{0..9}.tar, {train,test}.csv)',
  },
  'image-column': { type: 'string', requiresArg: true, describe: 'Column of image paths in a table' },
  'image-root': {
    type: 'string',
    requiresArg: true,
    describe:
      "Folder of the images that a table names, also by names without extension [default: the table's]",
  },
  'text-column': {
    type: 'string',
    requiresArg: true,
    describe: 'Column of texts in a table; two (a,b) are pairs of texts',
  },
  'label-column': {
    type: 'string',
    requiresArg: true,
    describe: 'Column of labels in a table; several (a,b) are numbers or 0/1 labels',
  },
  'group-column': {
    type: 'string',
    requiresArg: true,
    describe: 'Column of groups (patient, camera); each stays in one part',
  },
  task: {
    choices: ['single', 'multi', 'regression', 'ordered'],
    describe:
      'What to predict: a class, several labels, numbers, an ordered class [default: multi for lists, else single]',
  },
  order: { type: 'string', requiresArg: true, describe: 'Ordered classes, lowest first: poor,fair,good' },
  header: {
    type: 'boolean',
    default: true,
    describe: 'Whether the table has a header (--no-header: by position)',
  },
} as const satisfies Record<string, Options>;

export const deviceOptions = {
  device: { choices: devices, default: 'auto', describe: 'Where to run' },
  threads: { ...threadCount('threads'), describe: 'CPU threads [default: all cores]' },
} as const satisfies Record<string, Options>;

export const exampleBatchOption = {
  batch: { ...positiveInteger('batch'), describe: 'Examples per run of the model [default: by the device]' },
} as const satisfies Record<string, Options>;

export const onErrorOption = {
  'on-error': {
    choices: ['skip', 'fail'],
    default: 'skip',
    describe: 'What to do about an unusable example',
  },
} as const satisfies Record<string, Options>;

export const modelOption = {
  model: {
    type: 'string',
    demandOption: true,
    requiresArg: true,
    describe: 'Exported ONNX file, or a folder that holds it',
  },
} as const satisfies Record<string, Options>;

/** What commands that look at a bare model take. */
export const modelPositional = {
  model: {
    type: 'string',
    demandOption: true,
    describe: 'ONNX file or folder, catalogue name (graft models ls) or hf:owner/repo',
  },
} as const satisfies Record<string, PositionalOptions>;

export const runOption = {
  run: {
    type: 'string',
    demandOption: true,
    requiresArg: true,
    describe: 'Run folder that graft train wrote',
  },
} as const satisfies Record<string, Options>;

export const cacheFolderOption = {
  cache: {
    type: 'string',
    requiresArg: true,
    describe: 'Folder of the feature cache [default: $GRAFT_CACHE, else ~/.cache/graft]',
  },
} as const satisfies Record<string, Options>;

export const cacheOptions = {
  ...cacheFolderOption,
  dtype: {
    choices: ['float32', 'float16'],
    default: 'float32',
    describe: 'Number type of stored features; float16 halves the disk space and keeps 11 bits',
  },
  rehash: {
    type: 'boolean',
    default: false,
    describe: 'Read every file again, even if its size and times are unchanged',
  },
  ...onErrorOption,
} as const satisfies Record<string, Options>;

/** In place of a backbone and a data set. */
export const featuresOption = {
  features: {
    type: 'string',
    requiresArg: true,
    describe: 'Features made elsewhere, a .safetensors file, instead of --backbone and --data',
  },
} as const satisfies Record<string, Options>;

export const outOption = {
  out: { type: 'string', demandOption: true, requiresArg: true, describe: 'Run folder to write' },
} as const satisfies Record<string, Options>;
